//! Feeds as sites really send them, and as nobody should.

use super::*;

const BASE: &str = "http://www.qy.gov.cn/rss/news.xml";

fn read(bytes: impl Into<Vec<u8>>) -> Result<Feed, FeedError> {
    parse(bytes.into(), None, &Url::parse(BASE).unwrap())
}

fn items(bytes: impl Into<Vec<u8>>) -> Vec<Item> {
    read(bytes).unwrap().items
}

/// An RSS 2.0 feed of one item with these elements.
fn rss(item: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<rss version=\"2.0\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
         xmlns:content=\"http://purl.org/rss/1.0/modules/content/\"><channel><title>清源先锋</title>\
         <link>http://www.qy.gov.cn/</link><description>d</description><item>{item}</item></channel></rss>"
    )
}

/// 2026-11-23 10:00 in Beijing.
const AT: Option<i64> = Some(1_795_399_200_000);

#[test]
fn rss_2_is_read_with_title_text_author_link_and_date() {
    let feed = rss(
        "<title><![CDATA[县委召开 <b>会议</b>]]></title><link>/art/2026/1.html</link><guid isPermaLink='false'>7</guid>\
         <dc:creator>张三</dc:creator><pubDate>Mon, 23 Nov 2026 10:00:00 +0800</pubDate>\
         <description>摘要</description><content:encoded><![CDATA[<p>正文<script>x</script><a href=\"2.html\">附</a></p>]]></content:encoded>",
    );
    let item = items(feed).remove(0);
    assert_eq!((item.title.as_str(), item.author.as_str()), ("县委召开 会议", "张三"));
    assert_eq!(
        (item.link.as_str(), item.key.as_str()),
        ("http://www.qy.gov.cn/art/2026/1.html", "www.qy.gov.cn/art/2026/1.html")
    );
    assert!(
        item.html.starts_with("<p>正文<a href=\"http://www.qy.gov.cn/art/2026/2.html\""),
        "{}",
        item.html
    );
    assert_eq!(item.published_ms, AT);
}

#[test]
fn rss_1_atom_and_json_feed_are_read_alike() {
    let rss_1 = "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/' \
         xmlns:dc='http://purl.org/dc/elements/1.1/'><channel rdf:about='x'><title>t</title><link>http://www.qy.gov.cn/</link>\
         <description>d</description></channel><item rdf:about='y'><title>甲</title><link>http://www.qy.gov.cn/1</link>\
         <description>&lt;p&gt;文&lt;/p&gt;</description><dc:date>2026-11-23T10:00:00+08:00</dc:date></item></rdf:RDF>";
    let atom = "<?xml version='1.0' encoding='UTF-8'?><feed xmlns='http://www.w3.org/2005/Atom'><title>t</title>\
         <link href='http://www.qy.gov.cn/'/><link rel='self' href='http://www.qy.gov.cn/atom'/><id>f</id>\
         <entry><title>甲</title><id>urn:1</id><link rel='enclosure' href='http://www.qy.gov.cn/1.mp4'/>\
         <link href='http://www.qy.gov.cn/1'/><updated>2026-11-23 10:00:00</updated><content type='HTML'>&lt;p&gt;文&lt;/p&gt;</content></entry></feed>";
    let json = "\u{feff}{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"t\",\"items\":[{\"id\":\"1\",\"url\":\"http://www.qy.gov.cn/1\",\
         \"title\":\"甲\",\"content_html\":\"<p>文</p>\",\"date_published\":\"2026-11-23T10:00:00+08:00\"}]}";
    for feed in [rss_1, atom, json] {
        let items = items(feed);
        let item = &items[0];
        assert_eq!((item.title.as_str(), item.html.as_str()), ("甲", "<p>文</p>"), "{feed}");
        assert_eq!((item.key.as_str(), item.published_ms), ("www.qy.gov.cn/1", AT), "{feed}");
    }
    let xhtml = atom.replace(
        "type='HTML'>&lt;p&gt;文&lt;/p&gt;",
        "type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>文</p></div>",
    );
    assert_eq!(items(xhtml)[0].html, "<p>文</p>");
}

#[test]
fn what_old_sites_send_is_read_all_the_same() {
    let item = "<title>R&D 与“双创”&nbsp;&mdash;进展</title><link>http://www.qy.gov.cn/?id=1&type=2</link>\
         <pubDate>2026年11月23日 10:00</pubDate><description>第一段\n第二段\u{8}</description>";
    let gb = |text: &str| encoding_rs::GB18030.encode(text).0.into_owned();
    let labelled = |label: &str| rss(item).replace("utf-8", label);
    for bytes in [
        rss(item).into_bytes(),
        labelled("gb2312").into_bytes(),
        gb(&rss(item)),
        gb(&labelled("gb2312")),
        gb(&labelled("GBK")),
        labelled("utf-8").replace("<rss version=\"2.0\"", "\n\n<rss").into_bytes(),
    ] {
        let item = items(bytes).remove(0);
        assert_eq!(item.title, "R&D 与“双创” —进展");
        assert_eq!(item.link, "http://www.qy.gov.cn/?id=1&type=2");
        assert_eq!(item.html, "<p>第一段</p><p>第二段</p>");
        assert_eq!(item.published_ms, AT);
    }
}

#[test]
fn names_with_mail_in_chinese_brackets_do_not_bring_the_parser_down() {
    for author in
        ["zhang@qy.gov.cn（张三）", "张三（zhang@qy.gov.cn）", "邮箱：mailto:zhang@qy.gov.cn，张三"]
    {
        let feed = rss(&format!(
            "<title>甲</title><author>{author}</author><description>信箱：a@b.cn。</description>"
        ));
        let item = items(feed).remove(0);
        assert!(item.author.contains("张三") && !item.author.contains("zhang"), "{}", item.author);
        assert_eq!(item.html, "<p>信箱：a@b.cn。</p>");
        let json = format!(
            "{{\"version\":\"https://jsonfeed.org/version/1\",\"title\":\"t\",\"items\":[{{\"id\":\"1\",\
             \"content_text\":\"x\",\"author\":{{\"name\":\"{author}\"}}}}]}}"
        );
        assert!(items(json)[0].author.contains("张三"));
    }
}

#[test]
fn an_item_keeps_its_key_when_its_site_moves_to_https_or_makes_up_ids() {
    let of = |item: &str| items(rss(item)).remove(0).key;
    let key = of("<title>甲</title><link>http://www.qy.gov.cn/1</link><guid>a9f1</guid>");
    assert_eq!(key, of("<title>甲</title><link>https://www.qy.gov.cn/1</link><guid>77b2</guid>"));
    // A link to the site itself says nothing; then the id counts, and at last title and date.
    assert_eq!(
        of("<title>甲</title><link>http://www.qy.gov.cn/</link><guid>a9f1</guid>"),
        "id:a9f1"
    );
    assert_eq!(of("<title>甲</title><guid>a9f1</guid>"), "id:a9f1");
    assert_eq!(
        of("<title>甲</title><pubDate>2026-11-23 10:00</pubDate>"),
        "title:甲\n1795399200000"
    );
    let same = "<title>甲</title><link>http://www.qy.gov.cn/1</link></item><item><title>乙</title><link>http://www.qy.gov.cn/1</link>\
         </item><item><title>乙</title><link>http://www.qy.gov.cn/1</link>";
    let feed = read(rss(same)).unwrap();
    let keys: Vec<_> = feed.items.iter().map(|it| it.key.as_str()).collect();
    assert_eq!((keys, feed.skipped), (vec!["www.qy.gov.cn/1\n甲", "www.qy.gov.cn/1\n乙"], 1));
}

#[test]
fn an_item_without_text_shows_its_title_and_one_without_title_the_beginning_of_its_text() {
    let item = items(rss(
        "<title>甲 &lt; 乙</title><link>http://www.qy.gov.cn/1</link><description>&lt;p&gt;&amp;nbsp;&lt;/p&gt;</description>",
    ));
    assert_eq!(item[0].html, "<p>甲 &lt; 乙</p>");
    let long = "长".repeat(60);
    let item = items(rss(&format!("<description>&lt;p&gt;{long}&lt;/p&gt;</description>")));
    assert_eq!(item[0].title, format!("{}…", "长".repeat(39)));
    assert_eq!(
        read(rss("<link>http://www.qy.gov.cn/1</link>")).unwrap(),
        Feed { items: vec![], skipped: 1 }
    );
}

#[test]
fn links_that_lead_nowhere_good_are_dropped() {
    for link in [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "http://user:secret@www.qy.gov.cn/",
        "http://",
        "",
        &format!("http://www.qy.gov.cn/{}", "a".repeat(3000)),
    ] {
        let item =
            items(rss(&format!("<title>甲</title><link>{link}</link><guid>1</guid>"))).remove(0);
        assert_eq!((item.link.as_str(), item.key.as_str()), ("", "id:1"), "{link}");
    }
}

#[test]
fn what_is_no_feed_is_told_apart() {
    assert_eq!(read(""), Err(FeedError::Empty));
    assert_eq!(read("  \n\0 "), Err(FeedError::Empty));
    assert_eq!(
        read("<!-- x --><!DOCTYPE html><html><body>首页</body></html>"),
        Err(FeedError::Page)
    );
    assert_eq!(
        read("<HTML><script>var arg1='x'; document.cookie='acw_sc__v2=1'</script></HTML>"),
        Err(FeedError::Challenge)
    );
    assert_eq!(read("<html><head><script>$_ts=window['$_ts']</script>"), Err(FeedError::Challenge));
    for broken in ["hello", "{}", "<a><b></a>", "{\"version\":\"1\"", "<feed"] {
        assert!(matches!(read(broken), Err(FeedError::Broken(_))), "{broken}");
    }
    // Cut off on its way: nothing of it counts, so that what is missing is not taken for gone.
    let whole = rss("<title>甲</title><guid>1</guid>");
    for cut in ["</item>", "</title>", "</channel>"] {
        let (begun, _) = whole.split_once(cut).unwrap();
        assert!(matches!(read(begun), Err(FeedError::Broken(_))), "{cut}");
    }
    assert_eq!(read(rss("").replace("<item></item>", "")).unwrap(), Feed::default());
}

#[test]
fn hostile_feeds_cost_little_and_bring_nothing() {
    let bomb = "<!DOCTYPE rss [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>\
         <!ENTITY x SYSTEM 'file:///etc/passwd'>]>";
    let feed = rss("<title>&b;&x;</title><guid>1</guid>").replace("?>", &format!("?>{bomb}"));
    assert_eq!(items(feed)[0].title, "&b;&x;");
    let deep = format!("{}{}", "<a>".repeat(500_000), "</a>".repeat(500_000));
    let nested = read(format!(
        "<rss version='2.0'><channel><item><title>甲</title>{deep}</item></channel></rss>"
    ));
    assert!(!nested.is_err_and(|error| error.to_string().contains("survive")));
    assert!(read("<a>".repeat(1_000_000)).is_err());
    assert!(read("[".repeat(1_000_000)).is_err());
    assert!(read(format!("{{\"version\":{}", "[".repeat(1_000_000))).is_err());
    let deep = "&lt;div&gt;&lt;b&gt;".repeat(100_000);
    assert_eq!(
        read(rss(&format!("<title>甲</title><description>{deep}</description>"))).unwrap().skipped,
        1
    );
    let title = items(rss(&format!("<title>{}</title><guid>1</guid>", "长".repeat(1_000_000))))
        .remove(0)
        .title;
    assert_eq!(title.chars().count(), 200);
    let text = "长".repeat(200_000);
    assert_eq!(
        read(rss(&format!("<title>甲</title><description>{text}</description>"))).unwrap().skipped,
        1
    );
    let many = (0..2000)
        .map(|n| format!("<title>甲</title><guid>{n}</guid></item><item>"))
        .collect::<String>();
    let feed = read(rss(&many)).unwrap();
    assert_eq!((feed.items.len(), feed.skipped), (MAX_ITEMS, 1501));
    let nul = "{\"version\":\"https://jsonfeed.org/version/1\",\"title\":\"t\",\"items\":[{\"id\":\"1\",\"title\":\"甲\\u0000乙\",\
         \"content_html\":\"<p>\\u0000\\u0007文</p>\"}]}";
    let item = items(nul).remove(0);
    assert_eq!((item.title.as_str(), item.html.contains(char::is_control)), ("甲乙", false));
    let times = "<media:content url='http://x/'><media:text start='99999999999999999999999'>x</media:text></media:content>";
    let feed = rss(&format!("<title>甲</title><guid>1</guid>{times}"))
        .replace("<rss ", "<rss xmlns:media='http://search.yahoo.com/mrss/' ");
    assert_eq!(items(feed).len(), 1);
}
