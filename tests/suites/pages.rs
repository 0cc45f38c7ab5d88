//! Pages of the real program while commands run beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lianbo_tests::process::{HUB, Program};
use reqwest::Client;

/// Address of a network's pages at any port.
const FREE: &str = "127.0.0.1:0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_a_command_beside_the_server_has_ended_the_next_page_is_the_new_one() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = Client::builder().no_proxy().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut hub = Program::new(HUB, folder.path().join("hub"));
    for network in ["INTERNAL", "ORGANIZATION", "PUBLIC"] {
        for which in ["GRPC", "PAGES"] {
            hub = hub.set(&format!("LIANBO_LISTEN__{network}__{which}"), FREE);
        }
    }
    hub = hub.set("LIANBO_METRICS__ADDRESS", FREE);
    hub.run(&["init", "--code", "county", "--name", "清源县委组织部"]).await.unwrap();
    hub.run(&["column", "add", "news", "--name", "新闻时事"]).await.unwrap();
    let text = folder.path().join("text.md");
    std::fs::write(&text, "正文").unwrap();
    let serving = hub.serve().await;
    let pages = serving.address("organization pages").unwrap().to_owned();
    let get = async |path: &str| client.get(format!("{pages}{path}")).send().await.unwrap();
    let text = text.to_str().unwrap();
    for round in 0..5 {
        let title = format!("第{round}篇");
        let add = ["article", "add", "--column", "news", "--scope", "organization", "--json"];
        let told =
            hub.run(&[&add[..], &["--title", &title, "--file", text]].concat()).await.unwrap();
        let home = get("/").await.text().await.unwrap();
        let (_, rest) = home.split_once("<a href=\"/article/").expect("the new article is listed");
        assert!(home.contains(&title), "{told}");
        let path = format!("/article/{}", rest.split('"').next().unwrap());
        assert_eq!(get(&path).await.status(), 200);
        // Readers without pause, so that the server has always just looked.
        let (done, read) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let readers = tokio::spawn({
            let (client, url) = (client.clone(), format!("{pages}{path}"));
            let (done, read) = (done.clone(), read.clone());
            async move {
                while !done.load(Ordering::Relaxed) {
                    client.get(&url).send().await.unwrap();
                    read.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let (_, id) = path.rsplit_once('/').unwrap();
        hub.run(&["article", "retract", id, "--reason", "内容有误"]).await.unwrap();
        let (page, home) = (get(&path).await.status(), get("/").await.text().await.unwrap());
        done.store(true, Ordering::Relaxed);
        readers.await.unwrap();
        assert_eq!(page, 404, "round {round}");
        assert!(!home.contains(&title), "round {round}");
        assert!(read.load(Ordering::Relaxed) > 10, "somebody read meanwhile");
    }
    assert!(serving.terminate().await.success());
}
