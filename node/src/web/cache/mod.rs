//! Answers kept drawn and compressed, around all routes of one listener.
//!
//! A listener has a cache of its own, so that nothing drawn for one network can be shown on another (rule 2). What is
//! kept is shown only in the [`Edition`](crate::journal::Edition) of the site's data it was drawn from, so that a withdrawn article is gone at
//! the next request (rule 3); see [`super::fresh`]. Only text that anybody may have for the asking is kept: answers
//! 200 to a plain GET, of known length. Whatever a route marks `no-store` is not.

mod asked;
mod kept;

use std::convert::Infallible;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody, to_bytes};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE, VARY,
};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::{BoxFuture, Either, FutureExt as _, Ready, ready};
use moka::sync::Cache;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tower::Service;

use self::kept::Kept;
use super::fresh::Fresh;
use super::guard::Crowded;
use super::views::{Viewed, Views, is_program};
use crate::scope::Scope;

/// What the answers of one listener may take in memory.
const ROOM: u64 = 32 << 20;
/// Largest answer kept, in bytes.
const LARGEST: u64 = 4 << 20;
/// What nobody asks for is not kept longer.
const IDLE: Duration = Duration::from_mins(10);
/// Answers drawn at the same time, at most. One address is drawn by one at a time; the others wait for it.
const DRAWERS: usize = 8;
/// Longest wait for who draws the same; half of what a drawing may take. Then it is told to come back: drawing for
/// each of a crowd ends nowhere.
const WAIT: Duration = Duration::from_secs(5);

/// A route's word, among the extensions of its answer: drawn anew after so long even if nothing changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct GoodFor(pub(super) Duration);

/// Puts a cache around `routes`.
pub(super) fn around(routes: Router, fresh: Fresh, views: Views, listener: Scope) -> Router {
    let kept = Cache::builder()
        .weigher(|path: &String, kept: &Arc<Kept>| {
            u32::try_from(path.len() + kept.size()).unwrap_or(u32::MAX)
        })
        .max_capacity(ROOM)
        .time_to_idle(IDLE)
        .build();
    let drawing = (0..DRAWERS).map(|_| Mutex::new(())).collect();
    let hasher = RandomState::new();
    let shared = Shared { routes, fresh, views, listener, kept, drawing, hasher };
    // A fallback: no path is looked at before the cache has been.
    Router::new().fallback_service(Cached(Arc::new(shared)))
}

#[derive(Clone, Debug)]
struct Cached(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    routes: Router,
    fresh: Fresh,
    views: Views,
    listener: Scope,
    kept: Cache<String, Arc<Kept>>,
    drawing: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Service<Request<Body>> for Cached {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<
        Ready<Result<Response, Infallible>>,
        BoxFuture<'static, Result<Response, Infallible>>,
    >;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let head_only = request.method() == Method::HEAD;
        let told = move |answer| Ok(if head_only { behead(answer) } else { answer });
        if let Some(answer) = self.0.at_hand(&request) {
            return Either::Left(ready(told(answer)));
        }
        let shared = self.0.clone();
        Either::Right(async move { told(shared.answer(request).await) }.boxed())
    }
}

impl Shared {
    /// The answer, if it is kept and certain to stand.
    fn at_hand(&self, request: &Request<Body>) -> Option<Response> {
        let kept = self.kept.get(address(request)?)?;
        kept.stands(self.fresh.known()?)
            .then(|| self.tell(&kept, request.method(), request.headers()))
    }

    /// A kept answer to a request; counts it if somebody reads an article by it.
    fn tell(&self, kept: &Kept, method: &Method, asked: &HeaderMap) -> Response {
        let answer = kept.answer(asked);
        if let Some(Viewed(site, id)) = kept.viewed
            && *method == Method::GET
            && answer.status() == StatusCode::OK
            && !is_program(asked)
        {
            self.views.count((site, id, self.listener));
        }
        answer
    }

    async fn answer(&self, mut request: Request<Body>) -> Response {
        let came = Instant::now();
        let Some(address) = address(&request).map(str::to_owned) else {
            return self.draw(request).await;
        };
        let turn = &self.drawing[self.turn(&address)];
        let Ok(_turn) = timeout(WAIT, turn.lock()).await else {
            request.extensions_mut().insert(Crowded);
            return self.draw(request).await;
        };
        // All who came before it was begun share what one of them drew, however fast the data change.
        let before = self.kept.get(&address);
        if let Some(kept) = before.as_ref().filter(|kept| kept.answers(came)) {
            return self.tell(kept, request.method(), request.headers());
        }
        let as_of = Instant::now();
        // The edition first, the page then: a page may be newer than the edition it is kept for, never older.
        let Ok(edition) = self.fresh.edition().await else {
            // The routes say what is the matter.
            return self.draw(request).await;
        };
        if let Some(kept) = before.as_ref().filter(|kept| kept.stands(edition)) {
            return self.tell(kept, request.method(), request.headers());
        }
        let (mut head, _) = request.into_parts();
        let (method, asked) =
            (std::mem::replace(&mut head.method, Method::GET), head.headers.clone());
        let drawn = self.draw(Request::from_parts(head, Body::empty())).await;
        if !may_be_kept(&drawn) {
            return drawn;
        }
        let (head, body) = drawn.into_parts();
        let Ok(body) = to_bytes(body, usize::try_from(LARGEST).unwrap_or(usize::MAX)).await else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        // Compressing a long text holds nobody up.
        let make = move || Kept::make((as_of, edition), &head, body, before.as_deref());
        let Ok(kept) = tokio::task::spawn_blocking(make).await else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let kept = Arc::new(kept);
        self.kept.insert(address, kept.clone());
        self.tell(&kept, &method, &asked)
    }

    async fn draw(&self, request: Request<Body>) -> Response {
        let Ok(response) = self.routes.clone().call(request).await;
        response
    }

    fn turn(&self, address: &str) -> usize {
        let hash = self.hasher.hash_one(address) % DRAWERS as u64;
        usize::try_from(hash).unwrap_or(0)
    }
}

/// The answer to HEAD, from that to GET.
fn behead(mut answer: Response) -> Response {
    if let Some(length) = answer.body().size_hint().exact() {
        answer.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
    }
    *answer.body_mut() = Body::empty();
    answer
}

/// The address under which the answer to this request may be kept.
fn address(request: &Request<Body>) -> Option<&str> {
    let plain =
        matches!(*request.method(), Method::GET | Method::HEAD) && request.body().is_end_stream();
    if plain { request.uri().path_and_query().map(PathAndQuery::as_str) } else { None }
}

fn may_be_kept(response: &Response) -> bool {
    let headers = response.headers();
    let value = |name| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let media_type = value(CONTENT_TYPE);
    let text =
        media_type.starts_with("text/") || ["xml", "json"].iter().any(|it| media_type.contains(it));
    let length = response.body().size_hint().exact();
    response.status() == StatusCode::OK
        && text
        && length.is_some_and(|length| length <= LARGEST)
        && !value(CACHE_CONTROL).contains("no-store")
        && ![CONTENT_ENCODING, SET_COOKIE, VARY].iter().any(|name| headers.contains_key(name))
}
