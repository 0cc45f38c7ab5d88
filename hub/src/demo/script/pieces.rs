//! The articles: over all sites and scopes, with revisions, releases and retractions.

use lianbo_node::scope::Scope;

use super::{Piece, Place, Revision};

/// In the order of writing.
pub(in crate::demo) const PIECES: &[Piece] = &[
    Piece {
        author: Place::Hub,
        column: "cadres",
        scope: Scope::Internal,
        title: "部机关本月集中学习和值班安排",
        source: "办公室",
        keywords: &["机关学习", "值班"],
        text: "## 集中学习\n\n每周五下午三点，在二楼会议室。本月四次：前两次通读规定原文，后两次由各股室\
               结合手头工作交流，每人不超过十分钟，不要求写心得。\n\n## 值班\n\n夜间值班由股室轮流，\
               值班手册放在门卫室。雨天路滑，请回乡走访的同志错开早晚行车。",
        hours: 150,
        ..Piece::PLAIN
    },
    Piece {
        author: Place::Hub,
        column: "school",
        title: "今冬农村党员冬训课程表",
        source: "教育股",
        keywords: &["冬训", "课程"],
        text: "课程分三块，各镇可以按需要点单：\n\n1. 党章党规原文领读\n2. 果树冬季修剪和病虫防治\n\
               3. 防范电信诈骗和反家庭暴力常识\n\n年纪大、行动不便的党员，由支部送学上门。",
        hours: 120,
        revisions: &[Revision {
            title: Some("今冬农村党员冬训课程表（增加一门课）"),
            text: "课程分四块，各镇可以按需要点单：\n\n1. 党章党规原文领读\n2. 果树冬季修剪和病虫防治\n\
                   3. 防范电信诈骗和反家庭暴力常识\n4. 手机拍摄短视频卖山货（应龙田村要求增加）\n\n\
                   年纪大、行动不便的党员，由支部送学上门。",
        }],
        ..Piece::PLAIN
    },
    Piece {
        author: Place::Hub,
        column: "members",
        title: "夜校的灯亮到九点半",
        source: "本网",
        keywords: &["冬训", "夜校", "农村党员"],
        text: "霜降过后，清源县的村子里，晚饭比平时早了半个钟头。七点不到，农家书屋的灯就亮了。\n\n\
               来上课的有刚收工的木匠，有带着孙子的奶奶，也有从县城赶回来的年轻人。讲课的农技员不用\
               讲稿，搬来一截苹果枝，边剪边讲：“这一剪下去，明年的果子就有了位置。”\n\n\
               有人问起医保缴费，支部书记当场用手机帮三位老人办好。散课时已是九点半，\
               大家把凳子摆齐，灯才一盏一盏地关。\n\n> 学习不是为了记满一个本子，是为了明天干活心里有底。",
        hours: 96,
        revisions: &[Revision {
            title: None,
            text: "霜降过后，清源县的村子里，晚饭比平时早了半个钟头。七点不到，农家书屋的灯就亮了。\n\n\
                   来上课的有刚收工的木匠，有带着孙子的奶奶，也有从县城赶回来的年轻人。讲课的农技员不用\
                   讲稿，搬来一截梨树枝，边剪边讲：“这一剪下去，明年的果子就有了位置。”\n\n\
                   有人问起医保缴费，支部书记当场用手机帮三位老人办好。散课时已是九点半，\
                   大家把凳子摆齐，灯才一盏一盏地关。\n\n> 学习不是为了记满一个本子，是为了明天干活心里有底。\n\n\
                   （更正：原文误作苹果枝，感谢严田镇读者指出。）",
        }],
        released: Some((Scope::Public, &["宣传教育股股长", "分管副部长"])),
        ..Piece::PLAIN
    },
    Piece {
        author: Place::Hub,
        column: "policy",
        title: "流动党员转接组织关系十问十答",
        source: "组织股",
        keywords: &["流动党员", "组织关系"],
        text: "**问：外出务工半年以上，一定要转组织关系吗？**\n\n答：外出地点和工作相对固定的，一般要转；\
               不固定的，凭流动党员活动证参加当地支部的活动，原支部保持联系。\n\n\
               **问：转接要跑几趟？**\n\n答：在县内一趟都不用跑，支部在系统里办。其余八问见附后说明，\
               也可以打电话到组织股，我们帮您查。",
        hours: 72,
        ..Piece::PLAIN
    },
    Piece {
        author: Place::School,
        column: "forum",
        scope: Scope::Internal,
        title: "备课札记：给村支书上课，先听他们讲",
        source: "教研室",
        keywords: &["备课", "教学"],
        text: "上学期讲村级治理，我们准备了六十页课件，课间却听见学员说“跟我们村对不上”。\n\n\
               这学期改成先听：每人五分钟，讲一件办成的事和一件没办成的事。教员只记不评，\
               晚上按讲出来的难处重写教案。部内各股室如有一线案例，请随时给我们。",
        hours: 90,
        ..Piece::PLAIN
    },
    Piece {
        author: Place::School,
        column: "school",
        title: "入党积极分子培训班下周一开班",
        source: "教务处",
        keywords: &["入党积极分子", "培训班"],
        text: "为期三天，食宿在校。请学员带一双合脚的鞋：第二天下午到老渡口旧址现场教学，\
               来回步行约四公里。外地返乡的学员可以提前一天报到。",
        hours: 60,
        ..Piece::PLAIN
    },
    Piece {
        author: Place::Township,
        column: "news",
        title: "雨前抢收：严田镇党员帮十六户收晚稻",
        source: "党建办",
        keywords: &["抢收", "党员先锋岗"],
        text: "天气预报说三天后有连阴雨。镇里各支部把缺劳力的户排了个单子，党员按就近分组，\
               自带镰刀和干粮，两天收完十六户的晚稻。",
        hours: 48,
        revisions: &[Revision {
            title: Some("雨前抢收：严田镇党员帮十七户收晚稻"),
            text: "天气预报说三天后有连阴雨。镇里各支部把缺劳力的户排了个单子，党员按就近分组，\
                   自带镰刀和干粮，两天收完十七户的晚稻（最后一户是邻村来求助的，当晚打着手电收完）。",
        }],
        ..Piece::PLAIN
    },
    Piece {
        author: Place::Township,
        column: "news",
        scope: Scope::Internal,
        title: "下周党委会议题征集（镇内）",
        source: "党政办",
        text: "请各办公室周四前报议题，每个议题附一页说明。能在分管层面定的事不上会。",
        hours: 40,
        ..Piece::PLAIN
    },
    Piece {
        author: Place::Township,
        column: "tv",
        to: Some(Place::Hub),
        title: "关于请求检修三处党员活动室投影设备的报告",
        source: "党建办",
        keywords: &["活动室", "设备"],
        text: "部电教中心：\n\n我镇有三处活动室的投影灯泡已到寿命，冬训前需要更换。\
               型号和数量已核对，恳请统一采购时一并考虑。",
        hours: 36,
        ..Piece::PLAIN
    },
    Piece {
        author: Place::Township,
        column: "news",
        title: "严田镇便民服务点冬季开放时间",
        source: "便民服务中心",
        text: "即日起，各便民服务点每天上午八点半到下午五点开放，中午不休息。",
        hours: 30,
        withdrawn: Some("开放时间有误，另发新稿"),
        ..Piece::PLAIN
    },
    Piece {
        author: Place::Township,
        column: "members",
        title: "山路上的送药人",
        source: "党建办",
        keywords: &["党员风采", "乡村医生"],
        text: "从卫生院到最远的自然村，要翻两道梁。一位乡村医生党员把十一位慢性病老人的药按天分好，\
               每半月送一次，一送就是九年。",
        hours: 28,
        released: Some((Scope::Public, &["宣传教育股股长"])),
        withdrawn: Some("应本人要求，待核实后再发"),
        ..Piece::PLAIN
    },
    Piece {
        author: Place::Village,
        column: "members",
        title: "老支书的果园课堂",
        source: "龙田村党支部",
        keywords: &["果园", "传帮带", "党员风采"],
        text: "立冬那天，老支书把党课搬进了自家果园。\n\n![开课前的老梨树](orchard.png)\n\n三十几个人围着一棵老梨树。他先讲这棵树怎么来的：\
               当年村里没有路，树苗是几个党员一担一担挑上山的。再讲怎么剪：留外不留内，留斜不留直。\n\n\
               返乡的年轻人架起手机直播，山外有人问能不能来学。老支书摆摆手：\
               “来吧，剪刀管够，中午管饭。”\n\n今年村里梨子卖得不错，支部商量好，先把上山的那段路硬化了。",
        picture: Some(("orchard.png", include_bytes!("../../../assets/orchard.png"))),
        hours: 26,
        released: Some((Scope::Public, &["宣传教育股股长"])),
        ..Piece::PLAIN
    },
    Piece {
        author: Place::Village,
        column: "notice-board",
        title: "龙田村第三季度集体收支公开",
        source: "村务监督委员会",
        keywords: &["村务公开"],
        text: "| 项目 | 金额（元） |\n|---|---|\n| 梨园承包费 | 42000 |\n| 路灯电费 | -3180 |\n\
               | 水渠清淤 | -6500 |\n\n有疑问的，请到村委会查看原始票据，每天上午都有人。",
        hours: 20,
        ..Piece::PLAIN
    },
    Piece {
        author: Place::Village,
        column: "jobs",
        title: "家门口的活：梨园冬剪招二十人",
        source: "村集体合作社",
        keywords: &["就业", "冬剪"],
        text: "先培训两天，学会了再上手；照顾家里有老人孩子的，可以只做上午。报名找村委会值班的同志。",
        hours: 12,
        ..Piece::PLAIN
    },
];
