//! The same in a bucket of an S3-compatible store.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use lianbo_hub::config::HubConfig;
use lianbo_node::blobs::{BlobError, Blobs, Part, held};
use lianbo_node::config::UnitConfig;
use lianbo_node::entry::SiteId;
use lianbo_node::store::testing::TestDatabase;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;

use super::{blob, picture};

const SITE: SiteId = SiteId([1; 16]);

/// A store of objects with one bucket; its address.
async fn serve(folder: &std::path::Path) -> std::net::SocketAddr {
    std::fs::create_dir(folder.join("lianbo")).unwrap();
    let files = s3s_fs::FileSystem::new(folder).unwrap();
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single("user", "secret"));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let server = Builder::new(TokioExecutor::new());
                drop(server.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    address
}

fn config(address: std::net::SocketAddr, key: &str) -> HubConfig {
    let unit = UnitConfig { code: "county".into(), name: "县".into() };
    let mut config = HubConfig::new(unit, String::new());
    config.blobs.store = "s3://lianbo/files".into();
    config.blobs.endpoint = Some(format!("http://{address}"));
    config.blobs.access_key = Some("user".into());
    config.blobs.secret_key = Some(lianbo_node::blobs::Secret(key.into()));
    config
}

async fn all(blobs: &Blobs, bytes: &[u8], from: u64, to: u64) -> Vec<u8> {
    let chunks = blobs.read(blob(bytes).hash, from, to).await.unwrap();
    let chunks: Vec<_> = chunks.map(Result::unwrap).collect().await;
    chunks.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_keeps_small_and_large_files_and_lets_them_go() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let (objects, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let address = serve(objects.path()).await;
    let database = TestDatabase::sqlite().await;
    let blobs = config(address, "secret").blobs.open(folder.path()).unwrap();
    // The larger one goes in several parts.
    for (seed, size) in [(1, 10_000), (2, 20_000_000)] {
        let bytes = picture(seed, size);
        let part = Part { hash: blob(&bytes).hash, size: size as u64, site: SITE };
        let mut partial = blobs.resume(part).await.unwrap();
        for piece in bytes.chunks(1 << 20) {
            partial.append(piece).await.unwrap();
        }
        assert_eq!(blobs.stat(part.hash).await.unwrap(), None, "not before its hash was checked");
        blobs.keep(&database.store, partial, 0, true).await.unwrap();
        assert_eq!(blobs.stat(part.hash).await.unwrap(), Some(size as u64));
        assert!(all(&blobs, &bytes, 0, size as u64).await == bytes);
        assert!(all(&blobs, &bytes, 5_000, 6_000).await == bytes[5_000..6_000]);
        let mut tx = database.store.read().await.unwrap();
        assert!(held(&mut tx, part.hash, SITE).await.unwrap().is_some());
        drop(tx);
        assert_eq!(blobs.begun(&part).await, 0, "nothing is left in the data folder");
        blobs.collect(&database.store, async |_| Ok(vec![(part.hash, SITE)])).await.unwrap();
        assert_eq!(blobs.stat(part.hash).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_says_no_keeps_nothing_and_tells_no_secret() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let (objects, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let address = serve(objects.path()).await;
    let database = TestDatabase::sqlite().await;
    let config = config(address, "wrong-CANARY");
    assert!(!format!("{config:?}").contains("CANARY"));
    let blobs = config.blobs.open(folder.path()).unwrap();
    let bytes = picture(3, 1_000);
    let part = Part { hash: blob(&bytes).hash, size: 1_000, site: SITE };
    let mut partial = blobs.resume(part).await.unwrap();
    partial.append(&bytes).await.unwrap();
    let error = blobs.keep(&database.store, partial, 0, true).await.unwrap_err();
    assert!(matches!(error, BlobError::Objects(_)), "{error}");
    assert!(!format!("{error:?}{blobs:?}").contains("CANARY"));
    let mut tx = database.store.read().await.unwrap();
    assert!(held(&mut tx, part.hash, SITE).await.unwrap().is_none());
    assert_eq!(blobs.begun(&part).await, 1_000, "what has come is not lost");
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let told = |change: &dyn Fn(&mut HubConfig)| {
        let mut config = config("127.0.0.1:1".parse().unwrap(), "secret");
        change(&mut config);
        config.blobs.open(folder.path()).unwrap_err().to_string()
    };
    assert!(told(&|it| it.blobs.store = "ftp://x".into()).contains("blobs.store"));
    assert!(told(&|it| it.blobs.store = "s3://".into()).contains("blobs.store"));
    assert!(told(&|it| it.blobs.secret_key = None).contains("blobs.secret_key"));
}
