//! The hub's notices: to networks, and to chosen units.

use lianbo_node::scope::Scope;

use super::{Notice, Place, To};

/// In the order of issuing.
pub(in crate::demo) const NOTICES: &[Notice] = &[
    Notice {
        to: To::Scope(Scope::Organization),
        title: "关于做好今冬农村党员集中学习的通知",
        number: "12号",
        text: "各镇党委、部直各单位党组织：\n\n一、时间由各支部自定，避开农忙和恶劣天气。\n\n\
               二、内容从课程表里点单，不另行布置作业，不要求拍照留痕。\n\n\
               三、年老体弱党员送学上门；流动党员由支部联系，线上参加。\n\n收到请签收。",
        days: 7,
        signed: &[(Place::Township, "党委组织委员")],
    },
    Notice {
        to: To::Units(&[Place::Township, Place::Village]),
        title: "关于核对党员活动室设备清单的通知",
        number: "",
        text: "请核对活动室投影、音响和网络是否可用。只报坏了的，能用的不用填表。",
        days: 10,
        signed: &[(Place::Village, "支部书记")],
    },
    Notice {
        to: To::Scope(Scope::Internal),
        title: "关于部内办公电脑集中维护的通知",
        number: "",
        text: "本周六上午集中更新系统，请周五下班前保存好文件，电脑不要断电。",
        days: 3,
        signed: &[],
    },
];
