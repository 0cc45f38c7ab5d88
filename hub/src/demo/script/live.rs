//! Short pieces that a node writes now and then while people watch.

use super::Place;

/// Author, column, title, text.
pub(in crate::demo) const LIVE: &[(Place, &str, &str, &str)] = &[
    (
        Place::Village,
        "notice-board",
        "自来水检修：今晚八点到十点停水",
        "请提前存水，检修完马上恢复。",
    ),
    (Place::Township, "news", "连心桥加固完工", "镇里请老石匠看过，三轮车可以放心过了。"),
    (Place::School, "school", "现场教学点新添无障碍坡道", "腿脚不便的学员也能一路走到老渡口。"),
    (Place::Village, "jobs", "编织班再加一期", "上一期学员教新学员，材料由合作社出。"),
    (Place::Township, "tv", "两处活动室网络提速", "看远程课不再卡顿，欢迎来用。"),
    (Place::School, "school", "图书室周末照常开放", "返乡大学生凭身份证即可借阅。"),
    (
        Place::Village,
        "members",
        "一位老党员的旧账本",
        "记着五十年前修渠时每户出的工，今天捐给了村史室。",
    ),
    (Place::Township, "members", "凌晨三点的铲雪队", "路通了，校车没有晚点。"),
    (Place::School, "forum", "一堂没有课件的课", "学员自己讲，教员坐在后排记。"),
    (Place::Village, "members", "晒谷场变成放映场", "老人点了一部老电影，孩子们第一次看。"),
];
