//! How libbpf names the maps that data sections are: after the object and the section, `prog.rodata`.

use std::path::Path;

/// Characters a name has in the kernel (`BPF_OBJ_NAME_LEN` without the NUL).
const NAME_MAX: usize = 15;

/// Characters libbpf leaves for the section's name, also where it is shorter: `.rodata`.
const SECTION_MIN: usize = 7;

/// The name of an object (`bpf_object__name`): the file's, at most 15 characters of it, up to the first dot.
#[must_use]
pub fn object_name(path: &Path) -> String {
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String = file.chars().take(NAME_MAX).collect();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// The map's name (libbpf: `internal_map_name`); the section's own name where the object has none.
pub(super) fn of(object: &str, section: &str) -> String {
    let is_custom = section.get(1..).is_some_and(|rest| rest.contains('.'));
    let room = NAME_MAX - section.len().clamp(SECTION_MIN, NAME_MAX);
    let prefix = if is_custom { 0 } else { room };
    let name = object.chars().take(prefix).chain(section.chars().take(NAME_MAX));
    name.map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_libbpf_cuts_them() {
        assert_eq!(of("prog", ".rodata"), "prog.rodata");
        assert_eq!(of("my_object_name", ".rodata"), "my_objec.rodata");
        assert_eq!(of("my_object_name", ".bss"), "my_objec.bss");
        assert_eq!(of("my-obj", ".data"), "my_obj.data");
        assert_eq!(of("prog", ".data.own"), ".data.own");
        assert_eq!(of("prog", ".rodata.abracadabra"), ".rodata.abracad");
        assert_eq!(of("", ".rodata"), ".rodata");
    }

    #[test]
    fn the_name_of_an_object() {
        assert_eq!(object_name(Path::new("a/prog.bpf.o")), "prog");
        assert_eq!(object_name(Path::new("a_very_long_name_of_an.o")), "a_very_long_nam");
        assert_eq!(object_name(Path::new("/")), "");
    }
}
