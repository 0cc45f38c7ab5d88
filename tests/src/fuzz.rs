//! Every decoder of hostile bytes as a plain function: cargo-fuzz drives them (`tests/fuzz`), and the suites
//! replay the committed corpus through them on stable. Each panics where a decoder does, or where what it took
//! does not come back from its own encoder.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use lianbo_hub::enrol::ca::Ca;
use lianbo_hub::recovery::Recovery;
use lianbo_node::content::Record;
use lianbo_node::content::article::{Published, PublishedFile, TextFormat, Told, Withdrawn, urn};
use lianbo_node::entry::{HarvesterId, Hash, SiteId};
use lianbo_node::link::tls::certificate_info;
use lianbo_node::link::token::Token;
use lianbo_node::web::{plain_text, render};
use lianbo_node::wire::{
    decode_frame, decode_head, decode_record, encode_frame, encode_head, encode_record,
    height_to_proto, heights_from_proto, heights_to_proto, told_from_proto, told_to_proto,
};
use lianbo_proto::v1;
use prost::Message;

use crate::author::TestAuthor;
use crate::records::{
    START_MS, article, column, enrolment, first_seen, harvester, id, notice, receipt, release,
    retraction, revocation,
};

/// A decoder under test.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus folder.
pub const TARGETS: &[(&str, Target)] = &[
    ("frame", frame),
    ("head", head),
    ("record", record),
    ("heights", heights),
    ("token", token),
    ("certificate", certificate),
    ("request", request),
    ("recovery", recovery),
    ("harvest", harvest),
    ("html", html),
];

/// The passphrase of the recovery file in the corpus.
const PASSPHRASE: &str = "lianbo lianbo lianbo";

/// A batch of entries, compressed.
pub fn frame(data: &[u8]) {
    if let Ok(entries) = decode_frame(data) {
        let again = encode_frame(&entries);
        assert_eq!(decode_frame(&again).as_ref(), Ok(&entries));
        for entry in &entries {
            head(&entry.head);
            record(entry.body.as_deref().unwrap_or_default());
        }
    }
}

/// A head.
pub fn head(data: &[u8]) {
    if let Ok(head) = decode_head(&Bytes::copy_from_slice(data)) {
        assert_eq!(decode_head(&encode_head(&head)), Ok(head));
    }
}

/// A body.
pub fn record(data: &[u8]) {
    if let Ok(Some(record)) = decode_record(&Bytes::copy_from_slice(data)) {
        assert_eq!(decode_record(&encode_record(&record)), Ok(Some(record)));
    }
}

/// The heights in an incarnation's first entry, as in the messages of a link.
pub fn heights(data: &[u8]) {
    let Ok(message) = v1::Incarnation::decode(data) else { return };
    if let Ok(heights) = heights_from_proto(message.continues) {
        assert_eq!(heights_from_proto(heights_to_proto(&heights)), Ok(heights));
    }
}

/// The text of an invitation.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(token) = text.parse::<Token>() {
        assert_eq!(token.to_text().parse(), Ok(token));
    }
}

/// A peer's certificate.
pub fn certificate(data: &[u8]) {
    if let Ok(info) = certificate_info(data) {
        assert!(!info.serial.is_empty() || info.peer().is_none());
        assert!(info.site.is_none() || info.harvester.is_none());
    }
}

/// A certificate request: the hub decides everything in the certificate but the key.
///
/// # Panics
/// If a request gets its way in more than the key.
pub fn request(data: &[u8]) {
    static CA: LazyLock<Ca> = LazyLock::new(|| {
        Ca::generate("county", SiteId([1; 16]), START_MS, &mut rand::rng()).expect("a CA")
    });
    let (site, hour) = (SiteId([2; 16]), Duration::from_hours(1));
    if let Ok(chain) = CA.issue_client(data, site.into(), START_MS, hour, &mut rand::rng()) {
        let info = certificate_info(&chain[0]).expect("our own certificate reads");
        assert_eq!((info.site, info.hub), (Some(site), None));
    }
}

/// A recovery file.
pub fn recovery(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(recovery) = Recovery::open(text, PASSPHRASE) {
        assert!(!recovery.site_key_pem.is_empty());
    }
}

/// A page of what a hub publishes, as its harvester reads it.
pub fn harvest(data: &[u8]) {
    let Ok(page) = v1::HarvestPage::decode(data) else { return };
    for item in page.items {
        if let Ok(Some(told)) = told_from_proto(item) {
            let name = told.id().trim_start_matches("urn:uuid:");
            assert!(name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'));
            assert_eq!(told_from_proto(told_to_proto(told.clone())), Ok(Some(told)));
        }
    }
}

/// A text in HTML, cleaned and then without its markup.
pub fn html(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    drop(plain_text(text));
    let clean = render(TextFormat::Html, text);
    let plain = plain_text(&clean);
    assert!(plain.len() <= clean.len());
}

/// What each corpus begins with: one valid input of every shape.
///
/// # Panics
/// Never, unless the harness is broken.
pub fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    use lianbo_node::content::receipt::Stage;
    use lianbo_node::scope::{Audience, Scope};

    let mut unit = TestAuthor::new(2);
    let (all, hub) = (Audience::all(Scope::Organization), SiteId([1; 16]));
    let told = unit.write(all, article(1, ""));
    let noticed = unit.write(Audience::direct(Scope::Internal, hub), notice(2, ""));
    let mut made = vec![told.clone(), noticed.clone()];
    let enrolled = enrolment(&unit.identity, "yantian", Scope::Organization, false, "");
    let records: Vec<Record> = vec![
        column("news", ""),
        receipt(hub, id(2), Stage::Signed, ""),
        release(&told, Some(START_MS), ""),
        retraction([&told, &noticed], Some(id(1)), ""),
        first_seen([&told], START_MS),
        revocation(hub, ""),
        Record::Enrolment(enrolled),
    ];
    made.extend(records.into_iter().map(|record| unit.write(all, record)));
    made.extend(unit.rotate(&[all]));
    made.push(unit.reborn(all));
    let mut seeds = Vec::new();
    for (index, made) in made.iter().enumerate() {
        let body = made.entry.body.as_ref().expect("a body").to_vec();
        seeds.push(("head", format!("{index:02}"), made.entry.head.to_vec()));
        seeds.push(("record", format!("{index:02}"), body));
    }
    let entries = crate::author::entries(&made);
    seeds.push(("frame", "all".into(), encode_frame(&entries).to_vec()));
    seeds.push(("frame", "bodiless".into(), encode_frame(&[told.without_body()]).to_vec()));
    let heights = made
        .iter()
        .map(|it| {
            let height = lianbo_node::heights::Height { seq: it.head.seq, hash: it.hash };
            height_to_proto(&it.head.log, &height)
        })
        .collect();
    let heights = v1::Incarnation { continues: heights };
    seeds.push(("heights", "all".into(), heights.encode_to_vec()));
    let token = Token { secret: [7; 20], ca_fingerprint: [9; 32] };
    seeds.push(("token", "good".into(), token.to_text().as_bytes().to_vec()));
    let mut rng = rand::rng();
    let ca = Ca::generate("county", hub, START_MS, &mut rng).expect("a CA");
    let (request, _) = lianbo_node::link::tls::new_csr(unit.site()).expect("a request");
    let year = Duration::from_hours(8760);
    let site =
        ca.issue_client(&request, unit.site().into(), START_MS, year, &mut rng).expect("issued");
    let names = ["hub.example".to_owned(), "10.0.0.1".to_owned()];
    let (server, _) = ca.issue_server(hub, &names, START_MS, year, &mut rng).expect("issued");
    seeds.push(("request", "good".into(), request));
    seeds.push(("certificate", "site".into(), site[0].to_vec()));
    seeds.push(("certificate", "server".into(), server[0].to_vec()));
    seeds.push(("certificate", "ca".into(), ca.certificate().to_vec()));
    let recovery = Recovery {
        site: unit.site(),
        site_key_pem: unit.identity.to_pem(),
        ca_key_pem: ca.key_pem(),
        ca_certificate_pem: ca.certificate_pem(),
    };
    let sealed = recovery.seal(PASSPHRASE, &mut rng).expect("sealed");
    seeds.push(("recovery", "good".into(), sealed.into_bytes()));
    let id = HarvesterId([3; 16]);
    let let_in = unit.write(all, harvester(id, "")).entry.body.expect("a body");
    seeds.push(("record", "harvester".into(), let_in.to_vec()));
    let (request, _) = lianbo_node::link::tls::new_csr(id).expect("a request");
    let harvester = ca.issue_client(&request, id.into(), START_MS, year, &mut rng);
    let harvester = harvester.expect("issued");
    seeds.push(("certificate", "harvester".into(), harvester[0].to_vec()));
    seeds.push(("harvest", "page".into(), page(&told.entry).encode_to_vec()));
    let html = "<h1>甲</h1><p title='>'>a &amp; b<br>c<td>1</td></p><a href='http://x/?a=1'>d</a>";
    seeds.push(("html", "good".into(), html.as_bytes().to_vec()));
    seeds
}

/// A page with one item of each kind.
fn page(entry: &lianbo_node::entry::Entry) -> v1::HarvestPage {
    let file = PublishedFile {
        name: "银杏.jpg".into(),
        hash: Hash([4; 32]),
        size: 5,
        media_type: "image/jpeg".into(),
        address: String::new(),
    };
    let article = Published {
        id: urn(SiteId([1; 16]), id(1)),
        revision: Hash([6; 32]),
        unit_code: "yantian".into(),
        unit_name: "严田镇党委".into(),
        column: "news".into(),
        column_name: "新闻时事".into(),
        title: "村口的银杏黄了".into(),
        html: "<p>黄了</p>".into(),
        text: "黄了".into(),
        source: "严田镇".into(),
        author: "王芳".into(),
        editor: "李明".into(),
        keywords: vec!["乡村".into()],
        link: "https://example.org/".into(),
        published_ms: START_MS,
        updated_ms: START_MS,
        page: "https://county.example/article".into(),
        files: vec![file],
        entry: Some(entry.clone()),
    };
    let withdrawn = Withdrawn { id: urn(SiteId([1; 16]), id(2)), reason: "原稿已撤".into() };
    let items = [Told::Article(Box::new(article)), Told::Withdrawn(withdrawn)];
    v1::HarvestPage {
        items: items.map(told_to_proto).into(),
        cursor: vec![7; 124].into(),
        more: true,
        restarted: false,
    }
}
