//! A web server on loopback that serves feeds as a test wants them, and remembers how it was asked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// What is served under one path.
#[derive(Clone, Debug, Default)]
pub struct Page {
    status: u16,
    headers: Vec<(String, String)>,
    /// The bytes.
    pub body: Vec<u8>,
}

impl Page {
    /// A page that is there.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    /// An answer without a body.
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// An RSS 2.0 feed of these items: key, title, text. It bears an `ETag` of all of that.
    pub fn feed(items: &[(&str, &str, &str)]) -> Self {
        let items: String = items
            .iter()
            .map(|(key, title, text)| {
                format!(
                    "<item><title>{title}</title><link>http://www.qy.gov.cn/art/{key}.html</link>\
                     <pubDate>Mon, 23 Nov 2020 10:00:00 +0800</pubDate>\
                     <description>&lt;p&gt;{text}&lt;/p&gt;</description></item>\n"
                )
            })
            .collect();
        let feed = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><rss version=\"2.0\"><channel><title>清源先锋</title>\
             <link>http://www.qy.gov.cn/</link><description>d</description>\n{items}</channel></rss>"
        );
        let tag = format!("\"{}\"", blake3::hash(feed.as_bytes()));
        Self::new(feed).with("ETag", tag).with("Content-Type", "application/rss+xml; charset=utf-8")
    }
}

/// How it was asked: the path, and the `If-None-Match`.
pub type Asked = (String, Option<String>);

#[derive(Debug, Default)]
struct Shared {
    pages: HashMap<String, Page>,
    asked: Vec<Asked>,
}

/// The server; gone when dropped.
#[derive(Debug)]
pub struct FeedServer {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    _serving: AbortOnDropHandle<()>,
}

impl FeedServer {
    /// A server without pages.
    ///
    /// # Panics
    /// Without a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let of_all = shared.clone();
        let serving = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(answer(stream, of_all.clone()));
            }
        });
        Self { address, shared, _serving: AbortOnDropHandle::new(serving) }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Serves `page` under `path` from now on.
    pub fn serve(&self, path: &str, page: Page) {
        self.shared().pages.insert(path.to_owned(), page);
    }

    /// How it was asked since it was asked this last.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared().asked)
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers one connection, question by question.
async fn answer(stream: TcpStream, shared: Arc<Mutex<Shared>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            match stream.read_line(&mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) if line.trim().is_empty() => break,
                Ok(_) => lines.push(line),
            }
        }
        let Some(path) = lines.first().and_then(|line| line.split(' ').nth(1)) else { return };
        let told = lines.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("if-none-match").then(|| value.trim().to_owned())
        });
        let page = {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.asked.push((path.to_owned(), told.clone()));
            shared.pages.get(path).cloned().unwrap_or_else(|| Page::status(404))
        };
        let tag = page.headers.iter().find(|(name, _)| name == "ETag").map(|(_, tag)| tag.clone());
        let page = if told.is_some() && tag == told { Page::status(304) } else { page };
        let mut head = format!("HTTP/1.1 {} x\r\n", page.status);
        for (name, value) in &page.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if page.status != 304 {
            head.push_str(&format!("Content-Length: {}\r\n", page.body.len()));
        }
        head.push_str("\r\n");
        let whole = [head.as_bytes(), &page.body].concat();
        if stream.write_all(&whole).await.is_err() {
            return;
        }
    }
}
