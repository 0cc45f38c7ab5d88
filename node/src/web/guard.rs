//! What stands around every page: bounds, the page for whatever went wrong, and the headers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use tracing::error;

use super::error::draw;
use super::page::Frame;

/// Longest a page may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest address, in bytes.
const MAX_ADDRESS: usize = 2048;
/// Nothing is read from a request's body, so little of one is let through.
const MAX_BODY: u64 = 1024;

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// What a browser may do with a page: nothing but show it. On the public listener the scripts that the operator named
/// are let in, from their own hosts alone, with their pictures.
fn policy(frame: &Frame) -> HeaderValue {
    let origins =
        if frame.public { frame.imprint.script_origins().join(" ") } else { String::new() };
    if origins.is_empty() {
        return HeaderValue::from_static(POLICY);
    }
    let policy = POLICY.replace("img-src 'self'", &format!("img-src 'self' {origins}"));
    HeaderValue::try_from(format!("{policy}; script-src {origins}"))
        .unwrap_or(HeaderValue::from_static(POLICY))
}

/// When one who finds the site busy may come back, in seconds.
const LATER: &str = "5";
/// Sent with every answer.
const HEADERS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Puts everything around the routes. Whatever they answer bare, a missing route included, becomes a page.
/// `asks`: files may be asked for by POST.
pub(super) fn guard(routes: Router, frame: Frame, asks: bool) -> Router {
    let dressing = Dressing { policy: policy(&frame), frame: Arc::new(frame) };
    routes
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(asks, bound))
        .layer(from_fn_with_state(dressing, dress))
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    // The panic hook has told where; what it held is nobody's business.
    error!("a page panicked");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// Among the extensions of a request: too many wait for the same page, it is told to come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowded;

/// Refuses what no page wants, before any route looks at it.
async fn bound(State(asks): State<bool>, request: Request, next: Next) -> Response {
    if request.extensions().get::<Crowded>().is_some() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let asked = asks && *request.method() == Method::POST && names_file(request.uri().path());
    if !asked && !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allowed = [(ALLOW, HeaderValue::from_static("GET, HEAD"))];
        return (StatusCode::METHOD_NOT_ALLOWED, allowed).into_response();
    }
    if request.body().size_hint().lower() > MAX_BODY {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    let address = request.uri();
    if address.path().len() + address.query().map_or(0, str::len) > MAX_ADDRESS {
        return StatusCode::NOT_FOUND.into_response();
    }
    // No page reads a body; what comes after the head is left to the connection's own bounds.
    let (head, _) = request.into_parts();
    next.run(Request::from_parts(head, Body::empty())).await
}

/// Whether an address is one of a file: `/article/SITE/ID/NAME`.
fn names_file(path: &str) -> bool {
    path.starts_with("/article/") && path.split('/').count() == 5
}

/// What every answer is dressed in.
#[derive(Clone, Debug)]
struct Dressing {
    policy: HeaderValue,
    frame: Arc<Frame>,
}

/// Draws the page of a bare error, and sets the headers of all.
async fn dress(State(dressing): State<Dressing>, request: Request, next: Next) -> Response {
    let head_only = request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    let status = response.status();
    // A range that a file does not have is told as it is: only who may read the file gets that far.
    let told = status == StatusCode::RANGE_NOT_SATISFIABLE;
    if !told && (status.is_client_error() || status.is_server_error()) {
        let (status, page) = draw(&dressing.frame, status);
        let allow = response.headers().get(ALLOW).cloned();
        let length = page.len();
        let body = if head_only { Body::empty() } else { Body::from(page) };
        response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(LATER));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED
            && let Some(allow) = allow
        {
            headers.insert(ALLOW, allow);
        }
    }
    let headers = response.headers_mut();
    // A file brings a stricter policy of its own.
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(dressing.policy);
    for (name, value) in HEADERS {
        // A file brings a stricter policy of its own.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // A browser asks every time, and is told in a few bytes that nothing changed: a retraction waits for no cache.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;
    use crate::blobs::{Blobs, Limits};
    use crate::entry::SiteId;
    use crate::scope::Scope;
    use crate::store::Store;
    use crate::web::WebContext;

    #[expect(clippy::panic, reason = "the panic is what is tested")]
    async fn panics() -> &'static str {
        panic!("CANARY in a panic")
    }

    #[tokio::test]
    async fn whatever_goes_wrong_becomes_a_page_with_a_way_back_and_no_detail() {
        let context = WebContext {
            store: Store::open_memory().await.unwrap(),
            end: tokio::sync::watch::Sender::new(0).subscribe(),
            blobs: Blobs::in_folder(std::path::Path::new("/nonexistent"), Limits::default()),
            site: SiteId([1; 16]),
            title: "东乡镇党委".into(),
            domain: String::new(),
            imprint: Arc::default(),
            views: crate::web::Views::default(),
            listener: Scope::Public,
            units: false,
            url: None,
        };
        let bare = |status: StatusCode| get(move || async move { (status, "CANARY in a body") });
        let routes = Router::new()
            .route("/panic", get(panics))
            .route("/late", bare(StatusCode::SERVICE_UNAVAILABLE))
            .route("/bad", bare(StatusCode::BAD_REQUEST))
            .route("/broken", bare(StatusCode::BAD_GATEWAY));
        let guarded = guard(routes, Frame::plain(&context), false);
        for (path, status, heading) in [
            ("/panic", StatusCode::INTERNAL_SERVER_ERROR, "页面出了点问题"),
            ("/late", StatusCode::SERVICE_UNAVAILABLE, "现在有些忙"),
            ("/bad", StatusCode::NOT_FOUND, "没有找到这个页面"),
            ("/broken", StatusCode::INTERNAL_SERVER_ERROR, "页面出了点问题"),
        ] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = guarded.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], POLICY);
            let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert!(body.contains(heading) && body.contains("返回首页"), "{path}: {body}");
            assert!(!body.contains("CANARY"), "{path} tells too much");
        }
    }
}
