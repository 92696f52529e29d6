//! Steps on the kernel's maps, by bpf(2); programs by `BPF_PROG_TEST_RUN`.

use std::io;
use std::sync::Arc;

use bpfreplay_program::MapSpec;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::case::{ProgramDef, assemble_program};
use bpfreplay_tests::kernel::{KernelInstance, make_map, possible_cpus};
use bpfreplay_uapi::{Errno, MapType};

use crate::programs;
use crate::step::{Side, Step, hex, show_value};

pub(crate) struct OnKernel {
    kernel: Kernel,
    specs: Arc<[MapSpec]>,
    instance: KernelInstance,
}

impl OnKernel {
    pub(crate) fn new(kernel: Kernel, specs: Vec<MapSpec>) -> OnKernel {
        let specs: Arc<[MapSpec]> = specs.into();
        let leaf = assemble_program(&ProgramDef::new("leaf", "r0 = 0\nexit"), &specs).expect("a program");
        let instance =
            KernelInstance::load(kernel, &[Arc::new(leaf)]).unwrap_or_else(|error| panic!("{error}"));
        OnKernel { kernel, specs, instance }
    }

    fn user(&self, step: &Step) -> io::Result<String> {
        if step.word(0, "") == "create" {
            return make_map(self.kernel, &step.spec()).map(|_| "ok".to_owned());
        }
        let name = step.word(1, "");
        let (spec, map) = self.instance.map(name).unwrap_or_else(|| panic!("no map {name}"));
        let key = step.bytes(2);
        let ok = |()| "ok".to_owned();
        let per_cpu =
            matches!(spec.map_type, MapType::PercpuArray | MapType::PercpuHash | MapType::LruPercpuHash)
                .then_some(spec.value_size as usize);
        let size =
            per_cpu.map_or(spec.value_size as usize, |size| size.next_multiple_of(8) * possible_cpus());
        match step.word(0, "") {
            "update" => {
                self.kernel.update(map, &key, &step.value(3, possible_cpus()), step.number(4)).map(ok)
            }
            "lookup" if matches!(spec.map_type, MapType::ArrayOfMaps | MapType::HashOfMaps) => {
                let id = self.kernel.lookup(map, &key, 4)?;
                let id = u32::from_ne_bytes(id.try_into().expect("an id has 4 bytes"));
                let is_it = |fd| self.kernel.object_id(fd).is_ok_and(|known| known == id);
                let inner = self.instance.maps().find(|(_, fd)| is_it(fd)).expect("a map of the case");
                Ok(format!("map:{}", inner.0.name))
            }
            "lookup" => self.kernel.lookup(map, &key, size).map(|value| show_value(&value, per_cpu)),
            "take" => self.kernel.lookup_and_delete(map, &key, size).map(|value| show_value(&value, per_cpu)),
            "delete" => self.kernel.delete(map, &key).map(ok),
            "contains" => self.kernel.contains(map, &key).map(ok),
            "next" => {
                let key = Some(&key[..]).filter(|key| !key.is_empty());
                let next = self.kernel.next_key(map, key, spec.key_size as usize)?;
                Ok(next.map_or_else(|| "ENOENT".to_owned(), |key| hex(&key)))
            }
            "inner" => {
                let (_, inner) = self.instance.map(step.word(3, "")).expect("a map of the case");
                self.kernel.update_map(map, &key, inner, step.number(4)).map(ok)
            }
            "freeze" => self.kernel.freeze(map).map(ok),
            "fill" => {
                let value = vec![1; size];
                let put =
                    |key: &u64| self.kernel.update(map, &(*key as u32).to_ne_bytes(), &value, 0).is_ok();
                Ok((0..step.number(2)).filter(put).count().to_string())
            }
            "count" => {
                let (mut key, mut keys) = (None, 0);
                while let Some(next) = self.kernel.next_key(map, key.as_deref(), spec.key_size as usize)? {
                    keys += 1;
                    key = Some(next);
                }
                Ok(keys.to_string())
            }
            other => panic!("no such step: {other}"),
        }
    }

    fn program(&mut self, step: &Step) -> String {
        let name = step.word(2, "");
        let value_size = self.instance.map(name).unwrap_or_else(|| panic!("no map {name}")).0.value_size;
        let def = ProgramDef::new("step", programs::code(step, value_size));
        let program =
            assemble_program(&def, &self.specs).unwrap_or_else(|error| panic!("{}: {error}", def.code));
        if let Err(refused) = self.instance.add(&program) {
            panic!("{}: {}\n{}", step.text, refused.error, refused.log);
        }
        let fd = self.instance.remove("step").expect("it was added");
        let run = self.kernel.test_run(&fd, &[0; 64], &[0; 192], 1).expect("it runs");
        programs::show(step, run.retval)
    }
}

impl Side for OnKernel {
    fn step(&mut self, step: &Step) -> String {
        if step.word(0, "") == "prog" {
            return self.program(step);
        }
        self.user(step).unwrap_or_else(|error| {
            let number = error.raw_os_error().unwrap_or_default();
            let known = Errno::ALL.iter().find(|errno| errno.number() == number);
            known.map_or_else(|| error.to_string(), |errno| errno.name().to_owned())
        })
    }
}
