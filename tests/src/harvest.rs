//! Harvesters of a [`TestHub`], and what they are told.

use std::time::Duration;

use bytes::Bytes;
use lianbo_node::clock::{Clock, SystemClock};
use lianbo_node::content::Record;
use lianbo_node::content::article::{Harvested, Published};
use lianbo_node::content::harvester::Harvester;
use lianbo_node::entry::{HarvesterId, RecordId};
use lianbo_node::ingest::Draft;
use lianbo_node::link::tls::{ClientPki, new_csr};
use lianbo_node::wire::told_from_proto;
use lianbo_proto::v1;
use rand::RngExt;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tonic::{Status, Streaming};

use crate::net::{PATIENCE, TestHub};
use crate::raw::RawClient;

const CERTIFICATE: Duration = Duration::from_hours(1);

/// Lets a harvester in as the hub's operator would have it, and certifies it.
pub async fn admit(hub: &TestHub, code: &str) -> (HarvesterId, ClientPki) {
    let id = HarvesterId(rand::rng().random());
    let invite = RecordId(rand::rng().random());
    let harvester =
        Harvester { id, code: code.to_owned(), name: "省委组织部".to_owned(), invite };
    hub.write(vec![Draft::new(Harvester::AUDIENCE, Record::Harvester(harvester))]).await;
    hub.hub().refresh_members().await.expect("members are read");
    (id, certify(hub, id, SystemClock.now()))
}

/// A certificate for a harvester, good for an hour from `now`, milliseconds since 1970-01-01 UTC.
pub fn certify(hub: &TestHub, id: HarvesterId, now: i64) -> ClientPki {
    let (csr, key) = new_csr(id).expect("a request");
    let ca = &hub.hub().ca;
    let chain = ca.issue_client(&csr, id.into(), now, CERTIFICATE, &mut rand::rng());
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    ClientPki { ca: ca.certificate().clone(), chain: chain.expect("a certificate"), key }
}

/// A request for what is behind a cursor.
pub fn behind(cursor: &Bytes) -> v1::HarvestRequest {
    v1::HarvestRequest { cursor: cursor.clone(), ..v1::HarvestRequest::default() }
}

/// What a page tells.
pub fn told(page: &v1::HarvestPage) -> Vec<Harvested> {
    let told = |item: &v1::HarvestItem| told_from_proto(item.clone()).expect("as hubs write it");
    page.items.iter().filter_map(told).collect()
}

/// The article told.
pub fn article(told: &Harvested) -> &Published {
    match told {
        Harvested::Article(it) => it,
        Harvested::Withdrawn(it) => panic!("withdrawn: {it:?}"),
    }
}

/// In short: the titles told, and for what was withdrawn a cross with the reason.
pub fn short(told: &[Harvested]) -> Vec<String> {
    let short = |it: &Harvested| match it {
        Harvested::Article(it) => it.title.rsplit(' ').next().unwrap_or_default().to_owned(),
        Harvested::Withdrawn(it) => format!("×{}", it.reason),
    };
    told.iter().map(short).collect()
}

impl RawClient {
    /// Every page behind a cursor, and the last cursor.
    pub async fn list_all(
        &mut self,
        request: &v1::HarvestRequest,
    ) -> Result<(Vec<v1::HarvestPage>, Bytes), Status> {
        let (mut pages, mut cursor) = (Vec::new(), request.cursor.clone());
        loop {
            let request = v1::HarvestRequest { cursor, ..request.clone() };
            let page = self.harvest.list(request).await?.into_inner();
            cursor = page.cursor.clone();
            let more = page.more;
            pages.push(page);
            if !more {
                return Ok((pages, cursor));
            }
        }
    }

    /// In short what is behind a cursor, and the last cursor.
    pub async fn news(&mut self, cursor: &Bytes) -> (Vec<String>, Bytes) {
        let (pages, cursor) = self.list_all(&behind(cursor)).await.expect("the hub answers");
        (pages.iter().flat_map(|page| short(&told(page))).collect(), cursor)
    }

    /// A stream of pages.
    pub async fn harvested(
        &mut self,
        cursor: &Bytes,
    ) -> Result<Streaming<v1::HarvestPage>, Status> {
        Ok(self.harvest.follow(behind(cursor)).await?.into_inner())
    }
}

/// The next page of a stream.
pub async fn page(stream: &mut Streaming<v1::HarvestPage>) -> Result<v1::HarvestPage, Status> {
    let next = tokio::time::timeout(PATIENCE, stream.message()).await.expect("the hub tells");
    next?.ok_or_else(|| Status::cancelled("the hub ended the stream"))
}

/// The status a stream ends with; pages before it are passed over.
pub async fn ended(stream: &mut Streaming<v1::HarvestPage>) -> Status {
    loop {
        if let Err(status) = page(stream).await {
            return status;
        }
    }
}
