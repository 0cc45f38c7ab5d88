//! Reads pages as a visitor does: HTTP GET, no certificate.

use std::time::Duration;

use anyhow::Context as _;
use axum::body::{Body, to_bytes};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Longest a page may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Largest page, in bytes.
const LARGEST: usize = 4 << 20;

/// A visitor.
#[derive(Clone, Debug)]
pub(crate) struct Fetch(Client<HttpConnector, Body>);

impl Fetch {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// Gets a page: its status and its text.
    pub(crate) async fn get(&self, url: &str) -> anyhow::Result<(u16, String)> {
        let get = async {
            let answer = self.0.get(url.parse()?).await?;
            let status = answer.status().as_u16();
            let body = to_bytes(Body::new(answer.into_body()), LARGEST).await?;
            Ok::<_, anyhow::Error>((status, String::from_utf8_lossy(&body).into_owned()))
        };
        let got = tokio::time::timeout(TIMEOUT, get).await;
        got.with_context(|| format!("{url} does not answer"))?
            .with_context(|| format!("{url} could not be read"))
    }
}
