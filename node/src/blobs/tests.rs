//! Keeping files: bounds, beginnings, and letting go.

use futures_util::StreamExt;
use tempfile::TempDir;

use super::*;
use crate::entry::{Hash, SiteId};
use crate::store::Store;

const SITE: SiteId = SiteId([1; 16]);
const OTHER: SiteId = SiteId([2; 16]);
const NOW: i64 = 1_795_392_000_000;
const DAY: i64 = 24 * 60 * 60 * 1000;

async fn world(limits: Limits) -> (TempDir, Store, Blobs) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_memory().await.unwrap();
    let blobs = Blobs::in_folder(folder.path(), limits);
    (folder, store, blobs)
}

fn part(bytes: &[u8], site: SiteId) -> Part {
    Part { hash: Hash::of(bytes), size: bytes.len() as u64, site }
}

async fn keep(store: &Store, blobs: &Blobs, bytes: &[u8], site: SiteId) -> Result<Held, BlobError> {
    let mut partial = blobs.resume(part(bytes, site)).await?;
    let rest = usize::try_from(partial.len()).unwrap();
    partial.append(&bytes[rest..]).await?;
    blobs.keep(store, partial, NOW, true).await
}

async fn read(blobs: &Blobs, hash: Hash, from: u64, to: u64) -> Vec<u8> {
    let chunks = blobs.read(hash, from, to).await.unwrap();
    even(chunks, 3).map(|it| it.unwrap().to_vec()).concat().await
}

#[tokio::test]
async fn a_file_comes_in_pieces_over_several_days_and_is_held_once_it_is_whole() {
    let (_folder, store, blobs) = world(Limits::default()).await;
    let bytes = b"the ginkgo at the village gate";
    let it = part(bytes, SITE);
    let mut partial = blobs.resume(it).await.unwrap();
    assert!(partial.is_empty());
    partial.append(&bytes[..10]).await.unwrap();
    assert!(matches!(blobs.resume(it).await.unwrap_err(), BlobError::Busy));
    assert_eq!(partial.pause().await.unwrap(), 10);
    assert_eq!(blobs.begun(&it).await, 10);
    assert_eq!(blobs.begun(&part(bytes, OTHER)).await, 0, "each site has its own beginning");
    assert_eq!(held(&mut store.read().await.unwrap(), it.hash, SITE).await.unwrap(), None);
    keep(&store, &blobs, bytes, SITE).await.unwrap();
    assert_eq!(blobs.begun(&it).await, 0);
    assert_eq!(read(&blobs, it.hash, 0, it.size).await, bytes);
    assert_eq!(read(&blobs, it.hash, 4, 10).await, b"ginkgo");
    assert_eq!(read(&blobs, it.hash, 7, 7).await, b"");
    let mut tx = store.read().await.unwrap();
    assert_eq!(held(&mut tx, it.hash, SITE).await.unwrap().unwrap().size, it.size);
    assert_eq!(held(&mut tx, it.hash, OTHER).await.unwrap(), None, "it brought nothing");
}

#[tokio::test]
async fn bytes_that_are_not_the_file_are_thrown_away() {
    let (_folder, store, blobs) = world(Limits::default()).await;
    let it = part(b"right", SITE);
    for wrong in [&b"wrong"[..], b"righ"] {
        let mut partial = blobs.resume(it).await.unwrap();
        partial.append(wrong).await.unwrap();
        let error = blobs.keep(&store, partial, NOW, true).await.unwrap_err();
        assert!(matches!(error, BlobError::Wrong), "{error}");
        assert_eq!((blobs.begun(&it).await, blobs.stat(it.hash).await.unwrap()), (0, None));
    }
    let mut partial = blobs.resume(it).await.unwrap();
    partial.append(b"rig").await.unwrap();
    assert!(matches!(partial.append(b"htly").await.unwrap_err(), BlobError::Wrong));
    drop(partial);
    assert_eq!(blobs.begun(&it).await, 0);
    keep(&store, &blobs, b"right", SITE).await.unwrap();
}

#[tokio::test]
async fn there_is_room_within_the_bounds_of_a_file_a_site_and_all() {
    let limits = Limits { blob: 50, all: 100, site: 60 };
    let (_folder, store, blobs) = world(limits).await;
    let room = async |size: u64, site: SiteId| {
        blobs.room(&store, &Part { hash: Hash([9; 32]), size, site }).await
    };
    assert!(room(50, SITE).await.is_ok());
    assert!(matches!(
        room(51, SITE).await.unwrap_err(),
        BlobError::TooLarge { size: 51, most: 50 }
    ));
    keep(&store, &blobs, &[1; 40], SITE).await.unwrap();
    assert!(room(20, SITE).await.is_ok());
    assert!(matches!(room(21, SITE).await.unwrap_err(), BlobError::SiteFull { most: 60 }));
    // What is on its way counts, for its site and for all.
    let mut coming = blobs.resume(part(&[2; 30], OTHER)).await.unwrap();
    coming.append(&[2; 29]).await.unwrap();
    coming.pause().await.unwrap();
    assert!(matches!(room(32, OTHER).await.unwrap_err(), BlobError::Full { most: 100 }));
    assert!(room(31, OTHER).await.is_ok());
    assert!(matches!(room(21, SITE).await.unwrap_err(), BlobError::SiteFull { .. }));
    // The same file for another site takes its share there, and no room of all.
    keep(&store, &blobs, &[1; 40], OTHER).await.unwrap();
    let mut tx = store.read().await.unwrap();
    assert_eq!(used(&mut tx).await.unwrap(), 40);
    assert_eq!(used_by(&mut tx, OTHER).await.unwrap(), 40);
}

#[tokio::test]
async fn a_file_goes_when_the_last_site_that_had_it_needs_it_no_more() {
    let (_folder, store, blobs) = world(Limits::default()).await;
    let hash = Hash::of(b"shared");
    keep(&store, &blobs, b"shared", SITE).await.unwrap();
    keep(&store, &blobs, b"shared", OTHER).await.unwrap();
    let gone = blobs.collect(&store, async |_| Ok(vec![(hash, SITE)])).await.unwrap();
    assert_eq!((gone, blobs.stat(hash).await.unwrap()), (0, Some(6)));
    let gone = blobs.collect(&store, async |_| Ok(vec![(hash, OTHER)])).await.unwrap();
    assert_eq!((gone, blobs.stat(hash).await.unwrap()), (1, None));
}

#[tokio::test]
async fn what_is_attached_stays_until_its_entry_is_written() {
    let (folder, store, blobs) = world(Limits::default()).await;
    let file = folder.path().join("plan.pdf");
    std::fs::write(&file, b"%PDF-1.7 plan").unwrap();
    let blob = blobs.attach(&store, &file, SITE, NOW).await.unwrap();
    assert_eq!((blob.size, blob.media_type.as_str()), (13, "application/pdf"));
    let unneeded = async |now| {
        crate::content::files::unneeded(&mut store.read().await.unwrap(), now, 10).await.unwrap()
    };
    assert_eq!(unneeded(NOW).await, []);
    // A command that died before it wrote the entry leaves nothing behind for good.
    assert_eq!(unneeded(NOW + 2 * DAY).await, [(blob.hash, SITE)]);
    let mut tx = store.write().await.unwrap();
    unpin(&mut tx, &[blob.hash], SITE).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(unneeded(NOW).await, [(blob.hash, SITE)], "no entry names it");
    // Attached again, it is kept again.
    blobs.attach(&store, &file, SITE, NOW).await.unwrap();
    assert_eq!(unneeded(NOW).await, []);
}

#[tokio::test]
async fn beginnings_that_nobody_goes_on_with_are_swept() {
    let (folder, _store, blobs) = world(Limits::default()).await;
    assert_eq!(blobs.sweep(i64::MAX).await.unwrap(), 0);
    let mut partial = blobs.resume(part(b"never", SITE)).await.unwrap();
    partial.append(b"nev").await.unwrap();
    partial.pause().await.unwrap();
    assert_eq!(blobs.sweep(0).await.unwrap(), 0);
    assert_eq!(blobs.sweep(i64::MAX).await.unwrap(), 1);
    let left = std::fs::read_dir(folder.path().join("blobs/partial")).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn wants_come_by_themselves_when_small_and_when_asked_for_or_at_night_when_large() {
    let (_folder, store, _blobs) = world(Limits::default()).await;
    let (small, large) = (Hash([1; 32]), Hash([2; 32]));
    let mut tx = store.write().await.unwrap();
    for (hash, size) in [(small, 5_u64), (large, 500)] {
        let sql = "INSERT INTO blob_wants (blob, site, size) VALUES ($1, $2, $3)";
        tx.execute(sql, crate::args![hash, SITE, size]).await.unwrap();
    }
    let hash = |want: Option<Want>| want.map(|it| it.hash);
    let all = 0..=u64::MAX >> 1;
    let next = next_want(&mut tx, NOW, all.clone(), 8).await.unwrap();
    assert_eq!(hash(next), Some(small));
    note_failure(&mut tx, small, SITE, NOW + 10).await.unwrap();
    assert_eq!(next_want(&mut tx, NOW, all.clone(), 8).await.unwrap(), None);
    assert_eq!(hash(next_want(&mut tx, NOW, all.clone(), u64::MAX).await.unwrap()), Some(large));
    assert!(ask(&mut tx, large, SITE, 500).await.unwrap());
    assert!(!ask(&mut tx, large, SITE, 500).await.unwrap(), "once is enough");
    assert_eq!(hash(next_want(&mut tx, NOW, all.clone(), 8).await.unwrap()), Some(large));
    assert_eq!(next_want(&mut tx, NOW, 0..=8, 8).await.unwrap(), None, "its lane is another");
    let again = next_want(&mut tx, NOW + 10, 0..=8, 8).await.unwrap().unwrap();
    assert_eq!((again.hash, again.tries), (small, 1));
    forget_want(&mut tx, large, SITE).await.unwrap();
    assert_eq!(waiting_count(&mut tx).await.unwrap(), 1);
}
