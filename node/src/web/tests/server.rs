//! The server, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use crate::web::serve::{Bounds, serve};

async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_stop_lets_an_answer_under_way_finish_and_takes_nothing_more() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (at_begin, wait) = (begun.clone(), go.clone());
    let slow = get(move || async move {
        at_begin.notify_one();
        wait.notified().await;
        "finished"
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let router = Router::new().route("/", slow);
    let served = serve(listener, router, Bounds::PAGES, async {
        stopped.await.unwrap();
    });
    let visit = async {
        let mut idle = TcpStream::connect(address).await.unwrap();
        let mut busy = TcpStream::connect(address).await.unwrap();
        busy.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        begun.notified().await;
        stop.send(()).unwrap();
        assert_eq!(read_all(&mut idle).await, "", "an idle connection is closed at once");
        go.notify_one();
        let answer = read_all(&mut busy).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("finished"), "{answer}");
    };
    tokio::join!(served, visit);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let bounds = Bounds { head_within: Duration::from_millis(50), ..Bounds::PAGES };
    let served = serve(listener, Router::new(), bounds, async { stopped.await.unwrap() });
    let visit = async {
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
        assert_eq!(read_all(&mut slow).await, "");
        assert_eq!(read_all(&mut silent).await, "");
        stop.send(()).unwrap();
    };
    tokio::join!(served, visit);
}

#[tokio::test]
async fn a_head_with_too_many_headers_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = serve(listener, Router::new(), Bounds::PAGES, async {
        stopped.await.unwrap();
    });
    let visit = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let many = "X-Y: z\r\n".repeat(200);
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 431"));
        stop.send(()).unwrap();
    };
    tokio::join!(served, visit);
}

#[tokio::test]
async fn who_comes_when_all_places_are_taken_is_served_as_soon_as_one_is_free() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let router = Router::new().route("/", get(|| async { "served" }));
    let bounds = Bounds { connections: 1, ..Bounds::PAGES };
    let served = serve(listener, router, bounds, async { stopped.await.unwrap() });
    let visit = async {
        let mut streams = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            streams.push(stream);
        }
        let [mut first, mut second] = <[_; 2]>::try_from(streams).unwrap();
        let mut answer = [0; 64];
        assert!(first.read(&mut answer).await.unwrap() > 0);
        let early = timeout(Duration::from_millis(50), second.read(&mut answer)).await;
        assert!(early.is_err(), "the first, silent as it is, holds the only place");
        drop(first);
        assert!(second.read(&mut answer).await.unwrap() > 0);
        stop.send(()).unwrap();
    };
    tokio::join!(served, visit);
}
