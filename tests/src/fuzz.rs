//! Every decoder of hostile bytes as a plain function: cargo-fuzz drives them (`tests/fuzz`), and the suites
//! replay the committed corpus through them on stable. Each panics where a decoder does, or where what it took
//! does not come back from its own encoder.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use lianbo_hub::enrol::ca::Ca;
use lianbo_hub::recovery::Recovery;
use lianbo_hub::rpc::messages::Messages;
use lianbo_hub::sources;
use lianbo_node::content::Record;
use lianbo_node::content::article::{
    Harvested, Published, PublishedFile, TextFormat, Withdrawn, urn,
};
use lianbo_node::entry::{HarvesterId, Hash, SiteId};
use lianbo_node::link::tls::certificate_info;
use lianbo_node::link::token::Token;
use lianbo_node::web::{Wanted, parse_range, plain_text, render};
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
    ("messages", messages),
    ("range", range),
    ("pictures", pictures),
    ("feed", feed),
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

/// A Range header; the first eight bytes are the length of the file.
pub fn range(data: &[u8]) {
    let Some((size, header)) = data.split_first_chunk::<8>() else { return };
    let size = u64::from_be_bytes(*size);
    if let Wanted::Part(from, to) = parse_range(&String::from_utf8_lossy(header), size) {
        assert!(from < to && to <= size, "{from}..{to} of {size}");
    }
}

/// The pictures that a text shows.
pub fn pictures(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for format in [TextFormat::Markdown, TextFormat::Html] {
        for name in lianbo_node::web::pictures(format, &text) {
            assert!(!name.is_empty());
        }
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

/// The body of a call that goes on for as long as it likes: messages come out whole, in order, and none is made up.
pub fn messages(data: &[u8]) {
    let mut whole = Messages::new(data.len());
    whole.feed(data);
    let mut taken = 0;
    while let Ok(Some(message)) = whole.take() {
        let begin = taken + 5;
        assert_eq!(data.get(begin..begin + message.len()), Some(&message[..]));
        taken = begin + message.len();
        drop(v1::FollowRequest::decode(message));
    }
    assert!(taken <= data.len());
}

/// A feed of some site, as it comes over HTTP.
///
/// # Panics
/// If it brings an item that no article can hold.
pub fn feed(data: &[u8]) {
    let base = "http://www.qy.gov.cn/rss/news.xml".parse().expect("an address");
    // The last byte says what HTTP said.
    let charset = [None, Some("utf-8"), Some("gb2312"), Some("iso-8859-1")]
        [usize::from(data.last().copied().unwrap_or(0)) % 4];
    let Ok(feed) = sources::parse(data.to_vec(), charset, &base) else { return };
    assert!(feed.items.len() <= sources::MAX_ITEMS);
    for item in feed.items {
        assert!(!item.key.is_empty() && !item.title.trim().is_empty());
        assert!(item.title.chars().count() <= 200 && !item.title.chars().any(char::is_control));
        let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        assert!(
            !item.html.is_empty() && !item.html.contains(odd) && !item.html.contains("<script")
        );
        assert!(
            item.link.is_empty()
                || item.link.starts_with("http://")
                || item.link.starts_with("https://")
        );
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
    let open = v1::follow_request::Message::Open(v1::FollowOpen::default());
    let ack =
        v1::follow_request::Message::Ack(v1::LaneCursor { lane: 1, cursor: vec![7; 152].into() });
    let body = [open, ack].map(|it| v1::FollowRequest { message: Some(it) }.encode_to_vec());
    let prefixed =
        body.map(|it| [&[0, 0, 0, 0, u8::try_from(it.len()).expect("short")][..], &it].concat());
    seeds.push(("messages", "good".into(), prefixed.concat()));
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
    seeds.extend(feeds());
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
    let items = [Harvested::Article(Box::new(article)), Harvested::Withdrawn(withdrawn)];
    v1::HarvestPage {
        items: items.map(told_to_proto).into(),
        cursor: vec![7; 124].into(),
        more: true,
        restarted: false,
    }
}

/// One feed of each format, and one as an old site sends it.
fn feeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let rss = "<?xml version=\"1.0\" encoding=\"utf-8\"?><rss version=\"2.0\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\
        <channel><title>清源先锋</title><link>http://www.qy.gov.cn/</link><item><title><![CDATA[推进会]]></title>\
        <link>/art/1.html?a=1&b=2</link><guid>7</guid><author>zhang@qy.gov.cn（张三）</author><dc:creator>李四</dc:creator>\
        <pubDate>Mon, 23 Nov 2026 10:00:00 +0800</pubDate><description>&lt;p&gt;正文&nbsp;&mdash;&lt;a href=\"2.html\"&gt;附\
        &lt;/a&gt;&lt;/p&gt;</description></item></channel></rss>\n";
    let rss_1 = "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/' \
        xmlns:dc='http://purl.org/dc/elements/1.1/'><item><title>甲</title><link>http://www.qy.gov.cn/1</link>\
        <description>文</description><dc:date>2026-11-23 10:00:00</dc:date></item></rdf:RDF>";
    let atom = "<feed xmlns='http://www.w3.org/2005/Atom'><title>t</title><id>f</id><entry><title type='HTML'>甲</title>\
        <id>urn:1</id><link href='http://www.qy.gov.cn/1'/><updated>2026年11月23日</updated><content type='xhtml'>\
        <div xmlns='http://www.w3.org/1999/xhtml'><p>文</p></div></content></entry></feed>";
    let json = "{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"t\",\"items\":[{\"id\":\"1\",\"url\":\
        \"http://www.qy.gov.cn/1\",\"title\":\"甲\",\"content_html\":\"<p>文</p>\",\"date_published\":\"2026-11-23T10:00:00Z\",\
        \"authors\":[{\"name\":\"张三\"}]}]}";
    let old = encoding_rs::GB18030.encode(&rss.replace("utf-8", "gb2312")).0.into_owned();
    vec![
        ("feed", "rss2".into(), rss.into()),
        ("feed", "rss1".into(), rss_1.into()),
        ("feed", "atom".into(), atom.into()),
        ("feed", "json".into(), json.into()),
        ("feed", "gbk".into(), old),
    ]
}
