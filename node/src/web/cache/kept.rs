//! An answer as it is kept: drawn once, compressed once.

use std::io::Write as _;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY};
use axum::http::response::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::time::Instant;

use super::{GoodFor, asked};
use crate::entry::Hash;
use crate::journal::Edition;
use crate::web::views::Viewed;

/// An answer to everybody who asks for one address.
#[derive(Debug)]
pub(super) struct Kept {
    /// It shows all that was committed before.
    as_of: Instant,
    edition: Edition,
    /// Not shown from then on, changed or not.
    until: Option<Instant>,
    /// The article that is read by it.
    pub(super) viewed: Option<Viewed>,
    hash: Hash,
    plain: Form,
    /// None where it would not be smaller.
    packed: Option<Form>,
}

/// It in one content coding.
#[derive(Clone, Debug)]
struct Form {
    headers: HeaderMap,
    tag: String,
    body: Bytes,
}

impl Kept {
    /// Keeps what was drawn in `edition`, begun at `as_of`. Takes both forms over from `before` if the text is the same,
    /// so that slow readers of many editions hold it once.
    pub(super) fn make(
        (as_of, edition): (Instant, Edition),
        head: &Parts,
        body: Bytes,
        before: Option<&Self>,
    ) -> Self {
        let headers = &head.headers;
        let hash = Hash::of(&body);
        let (body, packed) = match before {
            Some(before) if before.hash == hash => {
                (before.plain.body.clone(), before.packed.as_ref().map(|it| it.body.clone()))
            }
            _ => {
                let packed = pack(&body);
                (body, packed)
            }
        };
        let name = &hash.to_string()[..32];
        Self {
            as_of,
            edition,
            until: head
                .extensions
                .get()
                .and_then(|GoodFor(long)| Instant::now().checked_add(*long)),
            viewed: head.extensions.get().copied(),
            packed: packed.map(|it| Form::new(headers, format!("\"{name}-gz\""), it, true)),
            plain: Form::new(headers, format!("\"{name}\""), body, false),
            hash,
        }
    }

    /// Whether it may be shown in `edition`.
    pub(super) fn stands(&self, edition: Edition) -> bool {
        self.edition == edition && self.until.is_none_or(|until| Instant::now() < until)
    }

    /// Whether it may be shown to one who asked at `came`, whatever was committed since.
    pub(super) fn answers(&self, came: Instant) -> bool {
        self.as_of >= came
    }

    /// What it takes in memory.
    pub(super) fn size(&self) -> usize {
        self.plain.body.len() + self.packed.as_ref().map_or(0, |it| it.body.len()) + 2_048
    }

    /// The answer to a request with these headers.
    pub(super) fn answer(&self, asked: &HeaderMap) -> Response {
        let form = match &self.packed {
            Some(packed) if asked::takes_gzip(asked) => packed,
            _ => &self.plain,
        };
        let held = asked::holds(asked, &form.tag);
        let mut response =
            Response::new(if held { Body::empty() } else { form.body.clone().into() });
        *response.headers_mut() = form.headers.clone();
        if held {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING] {
                response.headers_mut().remove(name);
            }
        }
        response
    }
}

impl Form {
    fn new(headers: &HeaderMap, tag: String, body: Bytes, packed: bool) -> Self {
        let mut headers = headers.clone();
        headers.insert(CONTENT_LENGTH, body.len().into());
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if packed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Ok(tag) = HeaderValue::try_from(&tag) {
            headers.insert(ETAG, tag);
        }
        Self { headers, tag, body }
    }
}

fn pack(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 3), Compression::default());
    // Into memory: nothing to fail but memory itself.
    encoder.write_all(body).ok()?;
    let packed = encoder.finish().ok()?;
    (packed.len() < body.len()).then(|| packed.into())
}
