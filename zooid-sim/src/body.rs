//! Reading a request's body as late as zooid does, and no further than Go's server would.

use http_body_util::BodyExt;
use hyper::body::Incoming;

/// The most a body may hold.
const LIMIT: usize = 1024 * 1024;

/// How much of a body that nobody asked for is read before the answer goes out, so that the client, still sending, is
/// not cut off before it can read. The figure is that of Go's server.
const DRAIN_LIMIT: usize = 256 * 1024;

/// The body could not be read. The texts are zooid's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("failed to read body: http: request body too large")]
    TooLarge,
    #[error("failed to read body: {0}")]
    Broken(#[from] hyper::Error),
}

/// A body, and as much of it as was read.
pub(crate) struct RequestBody {
    incoming: Incoming,
    received: Vec<u8>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming) -> Self {
        Self {
            incoming,
            received: Vec::new(),
        }
    }

    /// Reads the whole body.
    pub(crate) async fn read(&mut self) -> Result<&[u8], BodyError> {
        while let Some(frame) = self.incoming.frame().await {
            if let Ok(data) = frame?.into_data() {
                self.received.extend_from_slice(&data);
            }
            if self.received.len() > LIMIT {
                return Err(BodyError::TooLarge);
            }
        }
        Ok(&self.received)
    }

    /// Reads what is left, within reason, and gives all that was received.
    pub(crate) async fn drain(&mut self) -> &[u8] {
        let enough = self.received.len() + DRAIN_LIMIT;
        while self.received.len() < enough
            && let Some(Ok(frame)) = self.incoming.frame().await
        {
            if let Ok(data) = frame.into_data() {
                self.received.extend_from_slice(&data);
            }
        }
        &self.received
    }
}
