use std::borrow::Cow;

use bpfreplay_runtime::{ProgramId, ProgramInfo};
use bpfreplay_uapi::tc;

/// The programs of a replay, by id.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    by_id: Vec<Option<ProgramInfo>>,
}

impl Programs {
    /// These programs: all that can run, tail-call targets included.
    #[must_use]
    pub fn new(infos: impl IntoIterator<Item = ProgramInfo>) -> Programs {
        let mut by_id = Vec::new();
        for info in infos {
            let id = info.id as usize;
            if by_id.len() <= id {
                by_id.resize(id + 1, None);
            }
            by_id[id] = Some(info);
        }
        Programs { by_id }
    }

    /// What is known of a program.
    #[must_use]
    pub fn get(&self, id: ProgramId) -> Option<&ProgramInfo> {
        self.by_id.get(id as usize)?.as_ref()
    }

    /// Its name; `?` for one that is not known here.
    #[must_use]
    pub fn name(&self, id: ProgramId) -> &str {
        self.get(id).map_or("?", |info| &info.name)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &ProgramInfo> {
        self.by_id.iter().flatten()
    }
}

/// `TC_ACT_OK` and so on; a number without a name as itself.
#[must_use]
pub fn verdict_name(action: i32) -> Cow<'static, str> {
    match tc::action_name(action) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(action.to_string()),
    }
}
