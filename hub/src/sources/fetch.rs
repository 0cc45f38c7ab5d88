//! Asks a site for its feed: with the marks of the last answer, bounded, and nowhere it must not.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{
    ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
    LOCATION, RETRY_AFTER,
};
use reqwest::{Client, Proxy, Response, StatusCode, redirect};
use url::Url;

use super::dates;
use super::guard::{Forbidden, Guard, Resolver, literal};
use super::schedule::Poll;

/// Longest body, after decompression.
pub const MAX_BODY: usize = 8 << 20;
/// Most redirects.
const MAX_REDIRECTS: usize = 5;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take, all of it.
const ANSWER: Duration = Duration::from_mins(1);
/// Longest mark that is kept, in bytes.
const MAX_MARK: usize = 512;
/// What is asked for.
const ACCEPTED: &str = "application/rss+xml, application/atom+xml, application/feed+json, application/rdf+xml, \
     application/xml;q=0.9, text/xml;q=0.9, application/json;q=0.8, */*;q=0.1";

/// Asks sites for their feeds. Cheap to clone.
#[derive(Clone)]
pub struct Fetcher(Arc<Inner>);

struct Inner {
    guard: Arc<Guard>,
    proxy: Option<Url>,
    /// Made when it is first needed: it reads the system's certificates, and a hub without sources needs none.
    client: OnceLock<Result<Client, String>>,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The proxy's address may hold a password.
        f.debug_struct("Fetcher").field("guard", &self.0.guard).finish_non_exhaustive()
    }
}

/// A good answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// Nothing new since the last one.
    Unchanged,
    /// A body.
    Body(Body),
}

/// A body, and what came with it.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// What HTTP says it is encoded in.
    pub(super) charset: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) modified: Option<String>,
    /// Where it came from, after redirects.
    pub(super) url: Url,
}

/// Why there is none. Names no address: it may hold a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchError {
    /// The address must not be asked.
    #[error("{0}")]
    Forbidden(#[from] Forbidden),
    /// The site sends the hub away.
    #[error("the site refuses: status {0}; ask its operator to let this hub read")]
    Blocked(u16),
    /// The site has no time.
    #[error("the site is busy: status {status}")]
    Busy { status: u16, retry_after_ms: Option<i64> },
    /// Another status.
    #[error("the site answers with status {0}")]
    Status(u16),
    /// A redirect to nowhere, or one too many.
    #[error("the site redirects {0}")]
    Redirect(&'static str),
    /// Longer than [`MAX_BODY`].
    #[error("the answer is larger than {} MiB", MAX_BODY >> 20)]
    TooLarge,
    /// The network failed.
    #[error("{0}")]
    Network(String),
}

impl Fetcher {
    /// Lets through what `guard` does. `proxy` is `http://[USER:PASSWORD@]HOST:PORT`; behind it the guard sees
    /// addresses only that stand in URLs as numbers.
    pub fn new(guard: Guard, proxy: Option<&str>) -> Result<Self, BadProxy> {
        let proxy = proxy.map(|it| Url::parse(it).map_err(|_| BadProxy)).transpose()?;
        if proxy.as_ref().is_some_and(|it| it.scheme() != "http" || !it.has_host()) {
            return Err(BadProxy);
        }
        Ok(Self(Arc::new(Inner { guard: Arc::new(guard), proxy, client: OnceLock::new() })))
    }

    fn client(&self) -> Result<&Client, FetchError> {
        let made = self.0.client.get_or_init(|| {
            self.0.client().map_err(|error| {
                format!(
                    "{}: is the package ca-certificates installed?",
                    Chain(&error.without_url())
                )
            })
        });
        made.as_ref().map_err(|error| FetchError::Network(error.clone()))
    }

    /// Asks for the feed at `url`, unless it is the one of which `last` has the marks.
    pub(super) async fn fetch(&self, url: &str, last: &Poll) -> Result<Answer, FetchError> {
        let mut url = Url::parse(url).map_err(|_| FetchError::Redirect("to no address"))?;
        let marks = marks(url.as_str(), last);
        for _ in 0..=MAX_REDIRECTS {
            if let Some(ip) = literal(&url) {
                self.0.guard.check(ip)?;
            }
            let asked =
                self.client()?.get(url.clone()).header(ACCEPT, ACCEPTED).headers(marks.clone());
            let response = asked.send().await.map_err(network)?;
            let status = response.status();
            if status == StatusCode::NOT_MODIFIED && !marks.is_empty() {
                return Ok(Answer::Unchanged);
            }
            if status.is_redirection() {
                url = redirected(&url, &response)?;
                continue;
            }
            refusal(&response)?;
            return Ok(Answer::Body(body(url, response).await?));
        }
        Err(FetchError::Redirect("more than five times"))
    }
}

impl Inner {
    fn client(&self) -> reqwest::Result<Client> {
        // Installed already is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        // Only the configuration reads the environment.
        let mut builder = Client::builder().no_proxy();
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(Proxy::all(proxy.clone())?);
        }
        let host = self.proxy.as_ref().and_then(|it| it.host_str()).map(ToOwned::to_owned);
        builder
            .user_agent(concat!("Lianbo/", env!("CARGO_PKG_VERSION"), " (feed reader)"))
            .dns_resolver(Resolver { guard: self.guard.clone(), proxy: host })
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .referer(false)
            .build()
    }
}

/// The proxy's address makes no sense; it is not repeated, for it may hold a password.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("sources.proxy is not an address such as http://HOST:PORT")]
pub struct BadProxy;

/// What is said of the last answer, if it came from the same address.
fn marks(url: &str, last: &Poll) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if Url::parse(&last.url).is_ok_and(|last| last.as_str() == url) {
        for (name, mark) in [(IF_NONE_MATCH, &last.etag), (IF_MODIFIED_SINCE, &last.modified)] {
            if let Some(value) = mark.as_ref().and_then(|it| it.parse().ok()) {
                headers.insert(name, value);
            }
        }
    }
    headers
}

fn redirected(from: &Url, response: &Response) -> Result<Url, FetchError> {
    let target =
        response.headers().get(LOCATION).and_then(|it| std::str::from_utf8(it.as_bytes()).ok());
    let url =
        target.and_then(|it| from.join(it).ok()).ok_or(FetchError::Redirect("to no address"))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() && url.password().is_none() {
        Ok(url)
    } else {
        Err(FetchError::Redirect("to what is no web page"))
    }
}

/// What is no feed by its status.
fn refusal(response: &Response) -> Result<(), FetchError> {
    let status = response.status();
    match status.as_u16() {
        200 | 203 => Ok(()),
        // 412 and 418 are what shields against robots answer with.
        code @ (401 | 403 | 405 | 407 | 412 | 418 | 451) => Err(FetchError::Blocked(code)),
        code @ (429 | 503) => {
            let told = response.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok());
            let retry_after_ms = told.and_then(|it| retry_after(it, response.headers()));
            Err(FetchError::Busy { status: code, retry_after_ms })
        }
        code => Err(FetchError::Status(code)),
    }
}

/// `Retry-After` in milliseconds: seconds, or a date, measured against the server's own clock.
fn retry_after(told: &str, headers: &HeaderMap) -> Option<i64> {
    if let Ok(seconds) = told.trim().parse::<u32>() {
        return Some(i64::from(seconds) * 1000);
    }
    let now = headers
        .get(reqwest::header::DATE)
        .and_then(|it| it.to_str().ok())
        .and_then(dates::parse)?;
    Some((dates::parse(told)? - now).max(0))
}

async fn body(url: Url, mut response: Response) -> Result<Body, FetchError> {
    let text = |name| {
        let value = response.headers().get(name)?.to_str().ok()?;
        (value.len() <= MAX_MARK).then(|| value.to_owned())
    };
    let (etag, modified) = (text(ETAG), text(LAST_MODIFIED));
    let charset = text(CONTENT_TYPE).and_then(|it| charset(&it));
    let told = response.content_length().and_then(|it| usize::try_from(it).ok()).unwrap_or(0);
    let mut bytes = Vec::with_capacity(told.min(MAX_BODY));
    // Counted as it comes out of decompression: a bomb goes no further.
    while let Some(chunk) = response.chunk().await.map_err(network)? {
        if bytes.len() + chunk.len() > MAX_BODY {
            return Err(FetchError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Body { bytes, charset, etag, modified, url })
}

/// The charset of a `Content-Type`.
fn charset(content_type: &str) -> Option<String> {
    let lower = content_type.to_ascii_lowercase();
    let (_, rest) = lower.split_once("charset=")?;
    let value = rest.split(';').next()?.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// What failed, without the address.
fn network(error: reqwest::Error) -> FetchError {
    let error = error.without_url();
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(forbidden) = error.downcast_ref::<Forbidden>() {
            return FetchError::Forbidden(*forbidden);
        }
        cause = error.source();
    }
    if error.is_timeout() {
        return FetchError::Network("the site does not answer in time".to_owned());
    }
    FetchError::Network(Chain(&error).to_string())
}

/// An error with its causes, each said once.
struct Chain<'e>(&'e (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
            }
            said = text;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charset_is_found_however_it_is_written() {
        for (told, found) in [
            ("text/xml; charset=GBK", Some("gbk")),
            ("text/xml;Charset=\"gb2312\"; x=y", Some("gb2312")),
            ("application/rss+xml", None),
            ("text/xml; charset=", None),
        ] {
            assert_eq!(charset(told).as_deref(), found);
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_servers_clock() {
        let mut headers = HeaderMap::new();
        headers.insert("date", "Mon, 23 Nov 2026 02:00:00 GMT".parse().unwrap());
        let told = |text: &str| retry_after(text, &headers);
        assert_eq!(told("120"), Some(120_000));
        assert_eq!(told("Mon, 23 Nov 2026 02:05:00 GMT"), Some(300_000));
        assert_eq!(told("Mon, 23 Nov 2026 01:00:00 GMT"), Some(0));
        assert_eq!((told("soon"), told("-1")), (None, None));
    }

    #[test]
    fn marks_are_told_to_the_address_they_came_from_alone() {
        let last = Poll {
            etag: Some("\"1\"".into()),
            modified: Some("x\ny".into()),
            ..Poll::new("https://a.gov.cn/rss?甲=1")
        };
        let url = |text| Url::parse(text).unwrap();
        let told = marks(url("https://a.gov.cn/rss?甲=1").as_str(), &last);
        assert_eq!((told.len(), &told[IF_NONE_MATCH]), (1, &"\"1\"".parse().unwrap()));
        assert!(marks("https://b.gov.cn/rss", &last).is_empty());
    }

    #[test]
    fn a_proxy_that_makes_no_sense_is_refused_without_telling_its_password() {
        assert!(Fetcher::new(Guard::default(), Some("http://user:secret@10.0.0.1:3128")).is_ok());
        for wrong in ["secret", "https://user:secret@proxy:1", "socks5://secret:1"] {
            let error = Fetcher::new(Guard::default(), Some(wrong)).unwrap_err();
            assert!(!error.to_string().contains("secret"));
        }
    }
}
