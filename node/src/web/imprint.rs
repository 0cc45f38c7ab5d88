//! Who answers for the pages: the `[identity]` of the configuration, checked once when it is read.
//!
//! Names stand at the foot of every page. What leads out of the network (filing links, the scripts of the CONAC mark
//! and of 找错) stands on the public listener only.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

/// Kinds of columns, by the page tags of government sites (国办发〔2017〕47号).
const COLUMN_TYPES: [&str; 18] = [
    "首页",
    "概况信息",
    "机构职能",
    "负责人信息",
    "工作动态",
    "政策文件",
    "信息公开指南",
    "信息公开目录",
    "信息公开年报",
    "依申请公开",
    "数据发布",
    "数据开放",
    "政策解读",
    "回应关切",
    "办事服务",
    "咨询投诉",
    "征集调查",
    "在线访谈",
];
/// What a column's name tells of its kind, where the configuration does not say.
const GUESSES: [(&str, &str); 12] = [
    ("公告", "信息公开目录"),
    ("公示", "信息公开目录"),
    ("通知", "信息公开目录"),
    ("解读", "政策解读"),
    ("政策", "政策文件"),
    ("信箱", "咨询投诉"),
    ("来信", "咨询投诉"),
    ("概况", "概况信息"),
    ("简介", "概况信息"),
    ("机构", "机构职能"),
    ("指南", "办事服务"),
    ("调查", "征集调查"),
];
const USUAL: &str = "工作动态";
/// Longest name, in characters.
const MAX_NAME: usize = 100;

/// What is told of whoever runs the site. Empty is not told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Imprint {
    /// 主办单位.
    #[serde(deserialize_with = "line")]
    pub sponsor: String,
    /// 承办单位.
    #[serde(deserialize_with = "line")]
    pub organizer: String,
    /// 网站标识码; a party site may have none.
    #[serde(deserialize_with = "line")]
    pub site_id_code: String,
    /// ICP 备案号.
    #[serde(deserialize_with = "line")]
    pub icp: String,
    /// 公安备案号.
    #[serde(deserialize_with = "line")]
    pub police: String,
    /// `https://` address of the CONAC mark's script (党政机关网站标识).
    #[serde(deserialize_with = "script")]
    pub conac_script: String,
    /// `https://` address of the script of 政府网站找错.
    #[serde(deserialize_with = "script")]
    pub report_script: String,
    /// Kinds of columns for the page tags, by slug.
    #[serde(deserialize_with = "column_types")]
    pub column_types: BTreeMap<String, String>,
}

impl Imprint {
    /// The kind of a column.
    pub(super) fn column_type(&self, slug: &str, name: &str) -> &str {
        let guess = || GUESSES.iter().find(|(part, _)| name.contains(part)).map(|(_, kind)| *kind);
        self.column_types.get(slug).map(String::as_str).or_else(guess).unwrap_or(USUAL)
    }

    /// The origins that scripts come from.
    pub(super) fn script_origins(&self) -> Vec<String> {
        let scripts = [&self.conac_script, &self.report_script];
        let origins = scripts.iter().filter_map(|it| Url::parse(it).ok());
        origins.map(|it| it.origin().ascii_serialization()).collect()
    }

    /// The digits of the 公安备案号, by which it is looked up.
    pub(super) fn police_number(&self) -> String {
        self.police.chars().filter(char::is_ascii_digit).collect()
    }
}

fn checked<'de, D: Deserializer<'de>>(
    from: D,
    fits: impl Fn(&str) -> bool,
    wanted: &str,
) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if fits(&text) {
        Ok(text)
    } else {
        Err(serde::de::Error::custom(format!("{text:?}: {wanted} is wanted")))
    }
}

fn line<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let fits = |text: &str| text.chars().count() <= MAX_NAME && !text.chars().any(char::is_control);
    checked(from, fits, "one line of at most 100 characters")
}

fn script<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let fits = |text: &str| {
        text.is_empty() || Url::parse(text).is_ok_and(|it| it.scheme() == "https" && it.has_host())
    };
    checked(from, fits, "an https address, or nothing")
}

fn column_types<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let types = BTreeMap::<String, String>::deserialize(from)?;
    match types.values().find(|it| !COLUMN_TYPES.contains(&it.as_str())) {
        None => Ok(types),
        Some(other) => Err(serde::de::Error::custom(format!(
            "{other:?} is no type of columns: use one of {}",
            COLUMN_TYPES.join(" ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Imprint, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_column_is_of_the_kind_it_is_given_or_its_name_tells() {
        let imprint = read("[column_types]\nnews = '政策解读'").unwrap();
        for (slug, name, kind) in [
            ("news", "新闻时事", "政策解读"),
            ("policy", "政策法规", "政策文件"),
            ("gongshi", "公告公示", "信息公开目录"),
            ("mien", "党员风采", "工作动态"),
        ] {
            assert_eq!(imprint.column_type(slug, name), kind);
        }
        for (part, kind) in GUESSES {
            assert!(COLUMN_TYPES.contains(&kind), "{part}");
        }
        assert!(COLUMN_TYPES.contains(&USUAL));
    }

    #[test]
    fn what_could_not_stand_on_a_page_is_refused_by_name() {
        for (text, told) in [
            ("sponsor = \"a\\nb\"", "one line"),
            (&format!("icp = '{}'", "长".repeat(101)), "one line"),
            ("conac_script = 'http://dcs.conac.cn/x.js'", "https"),
            ("report_script = 'javascript:alert(1)'", "https"),
            ("column_types = { news = '新闻' }", "工作动态"),
            ("colour = 'red'", "colour"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn scripts_are_let_in_from_their_own_hosts_alone() {
        let imprint = read("conac_script = 'https://dcs.conac.cn/js/33/x.js?a;b'").unwrap();
        assert_eq!(imprint.script_origins(), ["https://dcs.conac.cn"]);
        let imprint = read("police = '浙公网安备 33018502000001号'").unwrap();
        assert_eq!(imprint.police_number(), "33018502000001");
    }
}
