//! From a request to what becomes of it: the host decides between the management API and the relays, the path is
//! matched as Go's router does it, then the faults have their say around the real work.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, Request, StatusCode, header};
use hyper::body::{Bytes, Incoming};
use percent_encoding::percent_decode_str;

use crate::answer::Answer;
use crate::body::RequestBody;
use crate::faults::Phase;
use crate::injector::{Ending, Faults, Plan};
use crate::management::{ApiCall, Management, Stop};
use crate::nip11::Document;
use crate::recorder::{Recorder, Verb};
use crate::store::{Extent, Fatal, Store};

/// Everything a request may touch.
pub(crate) struct App {
    pub(crate) api_host: String,
    pub(crate) management: Management,
    pub(crate) store: Arc<Store>,
    pub(crate) faults: Faults,
    pub(crate) recorder: Arc<Recorder>,
}

/// What becomes of a request.
pub(crate) enum End {
    /// An answer.
    Answer(Answer),
    /// The connection closes without one.
    Drop,
    /// zooid goes down.
    Down(Fatal),
}

/// Where a path of the management API leads.
#[derive(Debug, PartialEq, Eq)]
enum Route {
    To { id: String, verb: Verb },
    WrongVerb { allow: &'static str },
    Nowhere,
}

impl App {
    /// Sees a request through to its end.
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> End {
        let (head, body) = request.into_parts();
        let host = host(&head);
        if host == self.api_host {
            self.api(&host, &head, RequestBody::new(body)).await
        } else if let Some(relay) = self.store.serving(&host) {
            self.relay(&relay, &head).await
        } else {
            End::Answer(Answer::text(StatusCode::NOT_FOUND, "Not Found"))
        }
    }

    async fn api(&self, host: &str, head: &Parts, mut body: RequestBody) -> End {
        let path = percent_decode_str(head.uri.path()).decode_utf8_lossy();
        let (id, verb) = match route(&head.method, head.uri.path()) {
            Route::To { id, verb } => (id, verb),
            Route::WrongVerb { allow } => {
                body.drain().await;
                let status = StatusCode::METHOD_NOT_ALLOWED;
                let answer = Answer::text(status, "Method Not Allowed");
                return End::Answer(answer.with_header(header::ALLOW, allow));
            }
            Route::Nowhere => {
                body.drain().await;
                return End::Answer(not_found());
            }
        };
        let call = ApiCall {
            verb,
            id: &id,
            host,
            path: &path,
            head,
        };
        let record = self.recorder.begin(&id, verb);
        let plan = self.faults.plan(&id, verb);
        let end = self.call(&call, &mut body, plan).await;
        let status = match &end {
            End::Answer(answer) => Some(answer.status.as_u16()),
            End::Drop | End::Down(_) => None,
        };
        record.end(status, body.drain().await);
        tracing::debug!(relay.id = id, ?verb, http.status = status, "call done");
        end
    }

    /// One call of the management API among the faults that hit it.
    async fn call(&self, call: &ApiCall<'_>, body: &mut RequestBody, mut plan: Plan) -> End {
        if plan.has_pause(Phase::Before) {
            // A call that is held up has arrived: it takes effect even if its client leaves meanwhile. A body that cannot be
            // read shows when it is used.
            let _ = body.read().await;
        }
        plan.pause(Phase::Before).await;
        let extent = match plan.ending {
            Ending::Drop(Phase::Before) => return End::Drop,
            Ending::Answer(Phase::Before, answer) => return End::Answer(*answer),
            Ending::Crash(kept) => Extent::Torn(kept),
            Ending::Drop(Phase::After)
            | Ending::Answer(Phase::After, _)
            | Ending::Ordinary
            | Ending::MalformedBody
            | Ending::HugeBody(_) => Extent::Whole,
        };
        let answer = match self.management.handle(call, body, extent).await {
            Ok(answer) => answer,
            Err(Stop::Refused(refusal)) => refusal.answer(),
            Err(Stop::Died) => return End::Drop,
            Err(Stop::Down(fatal)) => return End::Down(fatal),
        };
        plan.pause(Phase::After).await;
        spoil(answer, plan.ending)
    }

    /// A request to a relay's own host: its NIP-11 document is all that this stand-in has there.
    async fn relay(&self, relay: &Document, head: &Parts) -> End {
        let wants_document = head
            .headers
            .get(header::ACCEPT)
            .is_some_and(|accept| accept == "application/nostr+json");
        if head.method != Method::GET || head.uri.path() != "/" || !wants_document {
            return End::Answer(not_found());
        }
        self.recorder.count_nip11();
        let mut plan = self.faults.plan(&relay.id, Verb::Nip11);
        plan.pause(Phase::Before).await;
        plan.pause(Phase::After).await;
        spoil(Answer::nostr_json(relay), plan.ending)
    }
}

/// The answer as the fault leaves it.
fn spoil(mut answer: Answer, ending: Ending) -> End {
    match ending {
        // A crash whose call was refused before the write did not come to pass.
        Ending::Ordinary | Ending::Crash(_) => End::Answer(answer),
        Ending::Drop(_) => End::Drop,
        Ending::Answer(_, answer) => End::Answer(*answer),
        Ending::MalformedBody => {
            answer.body.truncate(answer.body.len() / 2);
            End::Answer(answer)
        }
        Ending::HugeBody(bytes) => {
            answer.body = Bytes::from(format!("{{\"message\":\"{}\"}}\n", "x".repeat(bytes)));
            End::Answer(answer)
        }
    }
}

fn not_found() -> Answer {
    Answer::text(StatusCode::NOT_FOUND, "404 page not found")
}

/// The host asked for, as it stands: from the request line if it has one, else from the `Host` header.
fn host(head: &Parts) -> String {
    match (head.uri.authority(), head.headers.get(header::HOST)) {
        (Some(authority), _) => authority.as_str().to_owned(),
        (None, Some(host)) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
        (None, None) => String::new(),
    }
}

/// Go's router: segments are split before they are decoded, and the path is judged before the verb.
fn route(method: &Method, path: &str) -> Route {
    let segments: Vec<&str> = path.split('/').collect();
    let (raw_id, of_members) = match segments.as_slice() {
        ["", "relay", id] => (*id, false),
        ["", "relay", id, "members"] => (*id, true),
        _ => return Route::Nowhere,
    };
    // The router would redirect to the path without such a segment, where there is nothing.
    if matches!(raw_id, "" | "." | "..") {
        return Route::Nowhere;
    }
    let Ok(id) = percent_decode_str(raw_id).decode_utf8() else {
        return Route::Nowhere;
    };
    let verb = match (of_members, method.as_str()) {
        (false, "POST") => Verb::Post,
        (false, "PUT") => Verb::Put,
        (false, "PATCH") => Verb::Patch,
        (false, "DELETE") => Verb::Delete,
        (true, "GET" | "HEAD") => Verb::Members,
        (false, _) => {
            return Route::WrongVerb {
                allow: "DELETE, PATCH, POST, PUT",
            };
        }
        (true, _) => return Route::WrongVerb { allow: "GET, HEAD" },
    };
    Route::To {
        id: id.into_owned(),
        verb,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(id: &str, verb: Verb) -> Route {
        Route::To {
            id: id.into(),
            verb,
        }
    }

    #[test]
    fn the_five_routes_are_found() {
        assert_eq!(route(&Method::POST, "/relay/a"), to("a", Verb::Post));
        assert_eq!(route(&Method::PUT, "/relay/a"), to("a", Verb::Put));
        assert_eq!(route(&Method::PATCH, "/relay/a"), to("a", Verb::Patch));
        assert_eq!(route(&Method::DELETE, "/relay/a"), to("a", Verb::Delete));
        let members = "/relay/a/members";
        assert_eq!(route(&Method::GET, members), to("a", Verb::Members));
        assert_eq!(route(&Method::HEAD, members), to("a", Verb::Members));
    }

    #[test]
    fn an_id_is_decoded_after_the_path_is_split() {
        assert_eq!(
            route(&Method::PUT, "/relay/a%2Fb%20c%25"),
            to("a/b c%", Verb::Put)
        );
    }

    #[test]
    fn everything_else_leads_nowhere() {
        for path in [
            "/",
            "/relay",
            "/relay/",
            "/relay/a/",
            "/relay//members",
            "/relay/..",
            "/relay/a/members/",
            "/relay/a/events",
            "/Relay/a",
            "//relay/a",
            "/relay/%ff",
        ] {
            assert_eq!(route(&Method::POST, path), Route::Nowhere, "{path}");
        }
    }
}
