//! Files that come with an article, for whoever may read its current revision. Any other address answers as one that
//! never existed.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::WebContext;
use super::article::ids;
use super::error::PageError;
use super::range::{Wanted, parse_range};
use crate::blobs::{self, BlobError, Held};
use crate::content::article;
use crate::content::files::{self, Attached};
use crate::entry::{RecordId, SiteId};
use crate::journal::Edition;

/// Nothing in a file runs, whatever it is.
const POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";
/// A browser asks every time: what is withdrawn is gone at once.
const CACHE: &str = "private, no-cache";

/// Address of a file.
pub(super) fn file_href(site: SiteId, id: RecordId, name: &str) -> String {
    format!("/article/{site}/{id}/{}", encode(name))
}

/// A name in an address, and in a header (RFC 8187): all but letters, digits and a few marks percent-encoded.
fn encode(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let one =
        |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(one).collect()
}

type Address = (String, String, String);

async fn find(context: &WebContext, address: Address) -> Result<(SiteId, Attached), PageError> {
    let (site, id, name) = address;
    let (site, id) = ids(&(site, id))?;
    let mut tx = context.store.read().await?;
    let found = article::get(&mut tx, context.reader(), site, id).await?;
    let found = found.ok_or(PageError::NotFound)?;
    let file = files::attached(&mut tx, &found).await?.into_iter().find(|it| it.name == name);
    file.map(|file| (site, file)).ok_or(PageError::NotFound)
}

/// GET and HEAD of a file that is here.
pub(super) async fn file(
    State(context): State<WebContext>,
    Path(address): Path<Address>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let (_, file) = find(&context, address).await?;
    let held = file.held.clone().ok_or(PageError::NotFound)?;
    let etag = format!("\"{}\"", file.hash);
    let told = |name: HeaderName| headers.get(name).and_then(|it| it.to_str().ok());
    if told(IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|tag| same(tag, &etag))) {
        return Ok((StatusCode::NOT_MODIFIED, common(&etag)).into_response());
    }
    let fresh = told(IF_RANGE).is_none_or(|tag| tag == etag);
    let wanted = match told(RANGE) {
        Some(range) if fresh => parse_range(range, held.size),
        _ => Wanted::Whole,
    };
    let (status, from, to) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0, held.size),
        Wanted::Part(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
        Wanted::Nothing => {
            let range = text(&format!("bytes */{}", held.size))?;
            let headers = [(CONTENT_RANGE, range)];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
    };
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        Body::from_stream(context.blobs.read(file.hash, from, to).await.map_err(failed)?)
    };
    let mut response = (status, common(&etag), body).into_response();
    let answer = response.headers_mut();
    answer.insert(CONTENT_LENGTH, HeaderValue::from(to - from));
    answer.insert(CONTENT_TYPE, text(&held.media_type)?);
    answer.insert(CONTENT_DISPOSITION, disposition(&file, &held)?);
    answer.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{}", to - 1, held.size);
        answer.insert(CONTENT_RANGE, text(&range)?);
    }
    Ok(response)
}

/// POST: the hub is asked for a file that is not here. Back to the article.
pub(super) async fn ask(
    State(context): State<WebContext>,
    Path(address): Path<Address>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    // A form on another site's page is none of ours.
    let from = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if from.is_some_and(|from| from != b"same-origin") {
        return Err(PageError::NotFound);
    }
    let article = format!("/article/{}/{}", address.0, address.1);
    let (site, file) = find(&context, address).await?;
    if file.held.is_none() && !file.asked {
        let mut tx = context.store.write().await?;
        blobs::ask(&mut tx, file.hash, site, file.size).await?;
        Edition::touch(&mut tx).await?;
        tx.commit().await?;
    }
    Ok((StatusCode::SEE_OTHER, [(LOCATION, text(&article)?)]).into_response())
}

fn common(etag: &str) -> [(HeaderName, String); 3] {
    [
        (ETAG, etag.to_owned()),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (CACHE_CONTROL, CACHE.to_owned()),
    ]
}

/// Whether a tag of If-None-Match is this one, compared weakly.
fn same(tag: &str, etag: &str) -> bool {
    let tag = tag.trim();
    tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
}

fn disposition(file: &Attached, held: &Held) -> Result<HeaderValue, PageError> {
    let inline = blobs::shown_inline(&file.media_type, &held.media_type);
    let how = if inline { "inline" } else { "attachment" };
    text(&format!("{how}; filename*=UTF-8''{}", encode(&file.name)))
}

fn text(value: &str) -> Result<HeaderValue, PageError> {
    HeaderValue::from_str(value).map_err(|_| PageError::Drawing)
}

fn failed(error: BlobError) -> PageError {
    match error {
        BlobError::Store(error) => PageError::Store(error),
        other => {
            tracing::error!(error = %other, "a file cannot be read");
            PageError::File
        }
    }
}
