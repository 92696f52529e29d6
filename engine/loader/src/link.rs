//! A program and the subprograms it reaches, put one behind the other.

use std::collections::HashMap;
use std::sync::Arc;

use bpfreplay_btf::{Btf, FuncLinkage, Kind};
use bpfreplay_isa::Insn;
use bpfreplay_program::{ExceptionCallback, FuncInfo, LineInfo};
use bpfreplay_uapi::ProgType;
use bpfreplay_uapi::limits::MAX_INSNS;

use crate::btf::ext::Ext;
use crate::btf::func;
use crate::error::{LoadError, LoadErrorKind};
use crate::function::{Function, Functions, SLOT};
use crate::reference::References;

/// Instructions of all linked programs of one object together. Ours: each program has its own copy of the
/// subprograms it reaches, so a small file can ask for much.
pub const LINKED_INSNS_MAX: usize = 16 * MAX_INSNS;

/// Links programs of one object.
pub(crate) struct Linker<'a> {
    functions: &'a Functions<'a>,
    references: &'a References,
    types: Option<(&'a Btf, &'a Ext)>,
    /// File names and source lines by their BTF string offset: programs share them.
    texts: HashMap<u32, Arc<str>>,
    linked_insns: usize,
}

/// A linked program.
pub(crate) struct Linked {
    pub(crate) insns: Vec<Insn>,
    pub(crate) funcs: Vec<FuncInfo>,
    pub(crate) lines: Vec<LineInfo>,
    pub(crate) exception_callback: ExceptionCallback,
}

impl<'a> Linker<'a> {
    pub(crate) fn new(
        functions: &'a Functions<'a>,
        references: &'a References,
        types: Option<(&'a Btf, &'a Ext)>,
    ) -> Linker<'a> {
        Linker { functions, references, types, texts: HashMap::new(), linked_insns: 0 }
    }

    /// Links the program that starts with this function.
    pub(crate) fn link(&mut self, entry: usize, prog_type: ProgType) -> Result<Linked, LoadError> {
        let mut layout = Layout { order: Vec::new(), start: HashMap::new(), len: 0 };
        self.lay_out(&mut layout, entry)?;
        let callback = self.exception_callback(entry)?;
        if let Some(Ok(callback)) = callback {
            // Nobody calls it, so that it may not be there yet.
            self.lay_out(&mut layout, callback)?;
        }
        let insns = self.patch(&layout)?;
        let funcs = self.func_info(&layout, prog_type)?;
        let lines = self.line_info(&layout)?;
        let exception_callback = match callback {
            Some(Ok(callback)) if !funcs.is_empty() => {
                let at = layout.order.iter().position(|&index| index == callback);
                ExceptionCallback::Function(at.unwrap_or_default() as u32)
            }
            Some(Err(message)) => ExceptionCallback::Invalid(message),
            Some(Ok(_)) | None => ExceptionCallback::None,
        };
        Ok(Linked { insns, funcs, lines, exception_callback })
    }

    /// The function that the tags of a program name for what it throws; what is wrong with them in the kernel's words
    /// (linux: bpf_find_exception_callback_insn_off()).
    fn exception_callback(&self, entry: usize) -> Result<Option<Result<usize, String>>, LoadError> {
        let Some((btf, ext)) = self.types else { return Ok(None) };
        let record = |function: &Function<'_>| {
            ext.func_at(self.functions.code[function.code].name, function.start * SLOT)
        };
        let Some(main) = record(&self.functions.all[entry]) else { return Ok(None) };
        let mut names =
            btf.decl_tags(main.type_id, None).filter_map(|tag| tag.strip_prefix("exception_callback:"));
        let Some(name) = names.next() else { return Ok(None) };
        if names.next().is_some() {
            return Ok(Some(Err("multiple exception callback tags for main subprog".to_owned())));
        }
        let named = self.functions.all.iter().position(|function| function.name == name);
        let Some((index, record)) = named.and_then(|at| Some((at, record(&self.functions.all[at])?))) else {
            return Ok(Some(Err(format!("exception callback '{name}' could not be found in BTF"))));
        };
        let linkage = match btf.get(record.type_id)?.kind {
            Kind::Func { linkage, .. } => linkage,
            _ => FuncLinkage::Static,
        };
        if linkage != FuncLinkage::Global {
            return Ok(Some(Err(format!("exception callback '{name}' must have global linkage"))));
        }
        Ok(Some(Ok(index)))
    }

    /// Appends the functions reached from `entry` with their first slots, callees behind their first caller, depth first:
    /// the order libbpf appends them in.
    fn lay_out(&mut self, layout: &mut Layout, entry: usize) -> Result<(), LoadError> {
        if layout.start.contains_key(&entry) {
            return Ok(());
        }
        self.append(layout, entry)?;
        // What is being walked, innermost last: a function and the slot to go on at.
        let mut walk = vec![(entry, 0u64)];
        while let Some((index, slot)) = walk.pop() {
            let function = &self.functions.all[index];
            let next = (slot..function.len).find_map(|slot| {
                let callee = self.references.function(function.code, function.start + slot)?;
                (!layout.start.contains_key(&callee)).then_some((slot, callee))
            });
            if let Some((slot, callee)) = next {
                walk.push((index, slot + 1));
                self.append(layout, callee)?;
                walk.push((callee, 0));
            }
        }
        Ok(())
    }

    fn append(&mut self, layout: &mut Layout, index: usize) -> Result<(), LoadError> {
        let function = &self.functions.all[index];
        self.functions.check(function)?;
        let len = function.len as usize;
        layout.start.insert(index, layout.len);
        layout.order.push(index);
        layout.len += len;
        self.linked_insns += len;
        let too_large = |what, size: usize, limit: usize| {
            let kind = LoadErrorKind::TooLarge { what, size: size as u64, limit: limit as u64 };
            Err(self.at(function, 0, kind))
        };
        if layout.len > MAX_INSNS {
            return too_large("linked program", layout.len, MAX_INSNS);
        }
        if self.linked_insns > LINKED_INSNS_MAX {
            return too_large("sum of linked programs", self.linked_insns, LINKED_INSNS_MAX);
        }
        Ok(())
    }

    /// The instructions, with the distances of calls and function addresses filled in.
    fn patch(&self, layout: &Layout) -> Result<Vec<Insn>, LoadError> {
        let mut out = Vec::with_capacity(layout.len);
        for &index in &layout.order {
            let function = &self.functions.all[index];
            for (slot, &insn) in (0u64..).zip(self.functions.insns(function)) {
                let mut insn = insn;
                let pc = out.len() as i64;
                if let Some(callee) = self.references.function(function.code, function.start + slot) {
                    let start = layout.start.get(&callee).copied().unwrap_or_default() as i64;
                    // Both count from the next slot; for an address that is the second half of the ld_imm64.
                    insn.imm = i32::try_from(start - pc - 1).map_err(|_| {
                        self.at(function, slot, LoadErrorKind::Unsupported("a call this far"))
                    })?;
                }
                out.push(insn);
            }
        }
        Ok(out)
    }

    /// BTF of each function; none at all if one has none, because the kernel takes all or nothing.
    fn func_info(&self, layout: &Layout, prog_type: ProgType) -> Result<Vec<FuncInfo>, LoadError> {
        let Some((btf, ext)) = self.types else { return Ok(Vec::new()) };
        let mut out = Vec::with_capacity(layout.order.len());
        for index in &layout.order {
            let function = &self.functions.all[*index];
            let section = self.functions.code[function.code].name;
            let Some(record) = ext.func_at(section, function.start * SLOT) else { return Ok(Vec::new()) };
            let Some(signature) = func::signature(btf, record.type_id, prog_type)? else {
                return Ok(Vec::new());
            };
            out.push(FuncInfo {
                insn_off: layout.start_of(*index),
                name: function.name.to_owned(),
                linkage: signature.linkage,
                ret: signature.ret,
                args: signature.args,
                btf_id: record.type_id,
            });
        }
        Ok(out)
    }

    fn line_info(&mut self, layout: &Layout) -> Result<Vec<LineInfo>, LoadError> {
        let Some((btf, ext)) = self.types else { return Ok(Vec::new()) };
        let mut out = Vec::new();
        for &index in &layout.order {
            let function = &self.functions.all[index];
            let section = self.functions.code[function.code].name;
            let (start, end) = (function.start * SLOT, (function.start + function.len) * SLOT);
            for record in ext.lines_in(section, start, end) {
                let slot = (u64::from(record.offset) - start) / SLOT;
                out.push(LineInfo {
                    insn_off: layout.start_of(index) + slot as u32,
                    file: self.text(btf, record.file_off)?,
                    line: record.line,
                    column: record.column,
                    text: self.text(btf, record.text_off)?,
                    btf_off: (record.file_off, record.text_off),
                });
            }
        }
        Ok(out)
    }

    fn text(&mut self, btf: &Btf, offset: u32) -> Result<Arc<str>, LoadError> {
        if let Some(text) = self.texts.get(&offset) {
            return Ok(Arc::clone(text));
        }
        let text: Arc<str> = btf.string(offset)?.into();
        self.texts.insert(offset, Arc::clone(&text));
        Ok(text)
    }

    fn at(&self, function: &Function<'_>, slot: u64, kind: LoadErrorKind) -> LoadError {
        LoadError::at(self.functions.code[function.code].name, (function.start + slot) * SLOT, kind)
    }
}

/// The functions of one linked program, in order.
struct Layout {
    order: Vec<usize>,
    start: HashMap<usize, usize>,
    len: usize,
}

impl Layout {
    fn start_of(&self, index: usize) -> u32 {
        let start = self.start.get(&index).copied().unwrap_or_default();
        u32::try_from(start).expect("a linked program has at most MAX_INSNS slots")
    }
}
