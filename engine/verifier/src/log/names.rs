use bpfreplay_isa::Names;
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_uapi::{Kfunc, helper_name};

/// What a program as it was given refers to by number. Maps have names where the kernel's log has addresses.
pub(crate) struct ProgramNames<'a> {
    pub(crate) program: &'a Program,
}

impl ProgramNames<'_> {
    fn map(&self, index: u64) -> Option<&MapSpec> {
        self.program.maps.get(usize::try_from(index).ok()?)
    }
}

impl Names for ProgramNames<'_> {
    fn helper(&self, id: u32) -> Option<String> {
        helper_name(id).or_else(|| self.program.absent_kfunc(id)).map(str::to_owned)
    }

    fn kfunc(&self, btf_id: i32) -> Option<String> {
        Kfunc::from_id(u32::try_from(btf_id).ok()?).map(|kfunc| kfunc.name().to_owned())
    }

    fn imm64(&self, src: u8, imm: u64) -> Option<String> {
        let (index, off) = (imm & 0xffff_ffff, imm >> 32);
        match src {
            1 => Some(format!("map[{}]", self.map(index)?.name)),
            2 => Some(format!("map[{}][0]+{off}", self.map(index)?.name)),
            _ => None,
        }
    }
}
