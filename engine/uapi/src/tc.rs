//! `TC_ACT_*`, the verdicts of classifiers and actions (include/uapi/linux/pkt_cls.h).

/// No decision: go on with the next filter; as a hook's verdict, accept.
pub const TC_ACT_UNSPEC: i32 = -1;
/// Accept.
pub const TC_ACT_OK: i32 = 0;
/// Start the classification again.
pub const TC_ACT_RECLASSIFY: i32 = 1;
/// Drop.
pub const TC_ACT_SHOT: i32 = 2;
/// Go on with the next action.
pub const TC_ACT_PIPE: i32 = 3;
/// Consumed: not a drop, not passed on.
pub const TC_ACT_STOLEN: i32 = 4;
/// As [`TC_ACT_STOLEN`].
pub const TC_ACT_QUEUED: i32 = 5;
/// Run this action again.
pub const TC_ACT_REPEAT: i32 = 6;
/// Send to the device that `bpf_redirect` named.
pub const TC_ACT_REDIRECT: i32 = 7;
/// Hand to the control plane; in software as [`TC_ACT_STOLEN`].
pub const TC_ACT_TRAP: i32 = 8;
/// Jump to the action with this absolute index (low 28 bits).
pub const TC_ACT_JUMP: i32 = 0x1000_0000;
/// Go on in the chain with this number (low 28 bits).
pub const TC_ACT_GOTO_CHAIN: i32 = 0x2000_0000;
/// The low bits of [`TC_ACT_JUMP`] and [`TC_ACT_GOTO_CHAIN`].
pub const TC_ACT_EXT_VAL_MASK: i32 = 0x0fff_ffff;

/// The name of a verdict, where it has one.
#[must_use]
pub const fn action_name(action: i32) -> Option<&'static str> {
    Some(match action {
        TC_ACT_UNSPEC => "TC_ACT_UNSPEC",
        TC_ACT_OK => "TC_ACT_OK",
        TC_ACT_RECLASSIFY => "TC_ACT_RECLASSIFY",
        TC_ACT_SHOT => "TC_ACT_SHOT",
        TC_ACT_PIPE => "TC_ACT_PIPE",
        TC_ACT_STOLEN => "TC_ACT_STOLEN",
        TC_ACT_QUEUED => "TC_ACT_QUEUED",
        TC_ACT_REPEAT => "TC_ACT_REPEAT",
        TC_ACT_REDIRECT => "TC_ACT_REDIRECT",
        TC_ACT_TRAP => "TC_ACT_TRAP",
        _ => return None,
    })
}
