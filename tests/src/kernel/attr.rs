//! The parts of `union bpf_attr` (include/uapi/linux/bpf.h) that the oracle uses, one struct a command.

macro_rules! attrs {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default)]
            #[repr(C)]
            pub(super) struct $name { $(pub(super) $field: $type,)* }
        )*
    };
}

attrs! {
    /// `BPF_MAP_CREATE`.
    MapCreate {
        map_type: u32,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
        map_flags: u32,
        inner_map_fd: u32,
        numa_node: u32,
        map_name: [u8; 16],
        map_ifindex: u32,
        btf_fd: u32,
        btf_key_type_id: u32,
        btf_value_type_id: u32,
        btf_vmlinux_value_type_id: u32,
        map_extra: u64,
    }
    /// `BPF_MAP_*_ELEM`, `BPF_MAP_GET_NEXT_KEY`, `BPF_MAP_FREEZE`.
    MapElem {
        map_fd: u32,
        pad: u32,
        key: u64,
        value: u64,
        flags: u64,
    }
    /// `BPF_PROG_LOAD`.
    ProgLoad {
        prog_type: u32,
        insn_cnt: u32,
        insns: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log_buf: u64,
        kern_version: u32,
        prog_flags: u32,
        prog_name: [u8; 16],
        prog_ifindex: u32,
        expected_attach_type: u32,
        prog_btf_fd: u32,
        func_info_rec_size: u32,
        func_info: u64,
        func_info_cnt: u32,
        line_info_rec_size: u32,
        line_info: u64,
        line_info_cnt: u32,
        attach_btf_id: u32,
    }
    /// `BPF_MAP_GET_FD_BY_ID`.
    GetFdById {
        id: u32,
        next_id: u32,
        open_flags: u32,
    }
    /// `BPF_OBJ_GET_INFO_BY_FD`.
    ObjInfo {
        bpf_fd: u32,
        info_len: u32,
        info: u64,
    }
    /// `BPF_OBJ_PIN`.
    ObjPin {
        pathname: u64,
        bpf_fd: u32,
        file_flags: u32,
    }
    /// `BPF_PROG_TEST_RUN`.
    ProgTestRun {
        prog_fd: u32,
        retval: u32,
        data_size_in: u32,
        data_size_out: u32,
        data_in: u64,
        data_out: u64,
        repeat: u32,
        duration: u32,
        ctx_size_in: u32,
        ctx_size_out: u32,
        ctx_in: u64,
        ctx_out: u64,
        flags: u32,
        cpu: u32,
        batch_size: u32,
        pad: u32,
    }
    /// `BPF_BTF_LOAD`.
    BtfLoad {
        btf: u64,
        log_buf: u64,
        size: u32,
        log_size: u32,
        log_level: u32,
        pad: u32,
    }
    /// One record of `func_info`.
    FuncInfoRec {
        insn_off: u32,
        type_id: u32,
    }
    /// One record of `line_info`.
    LineInfoRec {
        insn_off: u32,
        file_name_off: u32,
        line_off: u32,
        line_col: u32,
    }
}
