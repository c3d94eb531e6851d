//! A DNS server on a port of its own, which answers what a test lets it know.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use hickory_resolver::proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::CNAME},
};
use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

/// What a name is.
#[derive(Debug, Clone)]
pub enum Entry {
    Alias(&'static str),
    Addresses(&'static [&'static str]),
    /// Its own name servers are broken.
    Failing,
}

type Names = Arc<Mutex<HashMap<String, Entry>>>;

/// Names that it was not told of do not exist.
pub struct DnsServer {
    pub address: SocketAddr,
    names: Names,
    _serving: AbortOnDropHandle<()>,
}

impl DnsServer {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let names = Names::default();
        let serving = tokio::spawn(serve(socket, Arc::clone(&names)));
        Self {
            address,
            names,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    pub fn set(&self, name: &str, entry: Entry) {
        self.names.lock().unwrap().insert(name.to_owned(), entry);
    }

    pub fn remove(&self, name: &str) {
        self.names.lock().unwrap().remove(name);
    }
}

async fn serve(socket: UdpSocket, names: Names) {
    let mut buffer = [0; 4096];
    loop {
        let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
        let request = Message::from_vec(&buffer[..length]).unwrap();
        let name = request.queries[0].name().to_ascii().to_ascii_lowercase();
        let name = name.trim_end_matches('.');
        let response = answer(&request, names.lock().unwrap().get(name));
        socket
            .send_to(&response.to_vec().unwrap(), client)
            .await
            .unwrap();
    }
}

fn answer(request: &Message, entry: Option<&Entry>) -> Message {
    let query = &request.queries[0];
    let mut response = Message::response(request.metadata.id, OpCode::Query);
    response.metadata.recursion_desired = true;
    response.metadata.recursion_available = true;
    response.add_query(query.clone());
    match entry {
        None => response.metadata.response_code = ResponseCode::NXDomain,
        Some(Entry::Failing) => response.metadata.response_code = ResponseCode::ServFail,
        Some(Entry::Alias(alias)) => {
            let alias = Name::from_ascii(format!("{alias}.")).unwrap();
            let data = RData::CNAME(CNAME(alias));
            response.add_answer(Record::from_rdata(query.name().clone(), 300, data));
        }
        Some(Entry::Addresses(addresses)) => {
            let addresses = addresses.iter().map(|text| text.parse::<IpAddr>().unwrap());
            for address in addresses {
                let wanted = match address {
                    IpAddr::V4(_) => RecordType::A,
                    IpAddr::V6(_) => RecordType::AAAA,
                };
                if query.query_type() == wanted {
                    let data = RData::from(address);
                    response.add_answer(Record::from_rdata(query.name().clone(), 300, data));
                }
            }
        }
    }
    response
}
