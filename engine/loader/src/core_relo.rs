//! CO-RE.
use crate::btf::Btf;
use crate::btf::ext::Ext;
use crate::error::{LoadError, LoadErrorKind};
use crate::function::Functions;

pub(crate) fn apply(
    _btf: &Btf,
    ext: &Ext,
    _target: Option<&Btf>,
    _functions: &mut Functions<'_>,
) -> Result<(), LoadError> {
    match ext.core_relos().next() {
        Some((section, _)) => Err(LoadError::at(section, 0, LoadErrorKind::Unsupported("CO-RE"))),
        None => Ok(()),
    }
}
