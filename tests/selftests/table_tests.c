/* Prints the table tests of the kernel's verifier suite (folder verifier) as JSON, one test a line, for judge.
 *
 * The tests are arrays of a struct that test_verifier.c defines, and some are filled by functions in there, so that
 * file is included as it is, its main() renamed. tables.h is made by build: one array a file, and FILES of them all.
 * Nothing of the suite is in here; only names of its fields.
 */
#define main test_verifier_main
#include "test_verifier.c"
#undef main

#include "tables.h"

static void hex(const char *name, const void *bytes, size_t len)
{
	printf(",\"%s\":\"", name);
	for (size_t i = 0; i < len; i++)
		printf("%02x", ((const unsigned char *)bytes)[i]);
	printf("\"");
}

static void text(const char *name, const char *value)
{
	printf(",\"%s\":\"", name);
	for (; value && *value; value++) {
		if (*value == '"' || *value == '\\')
			printf("\\%c", *value);
		else if ((unsigned char)*value < ' ')
			printf("\\u%04x", (unsigned char)*value);
		else
			putchar(*value);
	}
	printf("\"");
}

/* Which instructions refer to which map of the suite: "name":[insn, ...]. */
#define FIXUP(name)                                                            \
	do {                                                                   \
		if (!test->fixup_##name[0])                                    \
			break;                                                 \
		printf("%s\"" #name "\":[", comma++ ? "," : "");               \
		for (int *at = test->fixup_##name; *at; at++)                  \
			printf("%s%d", at == test->fixup_##name ? "" : ",", *at); \
		printf("]");                                                   \
	} while (0)

static void fixups(struct bpf_test *test)
{
	int comma = 0;

	printf(",\"fixups\":{");
	FIXUP(map_hash_8b);
	FIXUP(map_hash_48b);
	FIXUP(map_hash_16b);
	FIXUP(map_array_48b);
	FIXUP(map_sockmap);
	FIXUP(map_sockhash);
	FIXUP(map_xskmap);
	FIXUP(map_stacktrace);
	FIXUP(prog1);
	FIXUP(prog2);
	FIXUP(map_in_map);
	FIXUP(cgroup_storage);
	FIXUP(percpu_cgroup_storage);
	FIXUP(map_spin_lock);
	FIXUP(map_array_ro);
	FIXUP(map_array_wo);
	FIXUP(map_array_small);
	FIXUP(sk_storage_map);
	FIXUP(map_event_output);
	FIXUP(map_reuseport_array);
	FIXUP(map_ringbuf);
	FIXUP(map_timer);
	FIXUP(map_kptr);
	printf("},\"kfuncs\":[");
	for (int i = 0; i < MAX_FIXUPS && test->fixup_kfunc_btf_id[i].kfunc; i++)
		printf("%s[\"%s\",%d]", i ? "," : "", test->fixup_kfunc_btf_id[i].kfunc,
		       test->fixup_kfunc_btf_id[i].insn_idx);
	printf("]");
}

static void one(const char *file, struct bpf_test *test)
{
	struct bpf_insn *insns = test->insns;
	int len, types = 0, runs = test->runs ? test->runs : 1;

	if (test->fill_helper) {
		test->fill_insns = calloc(MAX_TEST_INSNS, sizeof(struct bpf_insn));
		test->fill_helper(test);
		insns = test->fill_insns;
		len = test->prog_len;
	} else {
		len = probe_filter_length(insns);
	}
	while (types < MAX_BTF_TYPES && test->btf_types[0] && test->btf_types[types] != BTF_END_RAW)
		types++;

	printf("{\"file\":\"%s\",\"type\":%d,\"attach\":%d,\"accept\":%s,\"flags\":%d", file, test->prog_type,
	       test->expected_attach_type, test->result == REJECT ? "false" : "true", test->flags);
	text("name", test->descr);
	text("message", test->errstr);
	hex("insns", insns, len * sizeof(*insns));
	fixups(test);
	printf(",\"runs\":[");
	for (int i = 0; i < runs; i++) {
		printf("%s{\"retval\":%u", i ? "," : "", test->retvals[i].retval);
		hex("data", test->retvals[i].data, TEST_DATA_LEN);
		printf("}");
	}
	printf("],\"funcs\":[");
	for (int i = 0; i < test->func_info_cnt; i++)
		printf("%s[%u,%u]", i ? "," : "", test->func_info[i].insn_off, test->func_info[i].type_id);
	printf("]");
	if (types) {
		hex("btf_types", test->btf_types, types * 4);
		hex("btf_strings", test->btf_strings, sizeof(test->btf_strings));
	} else {
		hex("btf_types", btf_raw_types, sizeof(btf_raw_types));
		hex("btf_strings", btf_str_sec, sizeof(btf_str_sec));
	}
	printf("}\n");
	free(test->fill_insns);
}

int main(void)
{
	/* Random programs are the same in every run. */
	srand(1);
	for (size_t file = 0; file < sizeof(FILES) / sizeof(FILES[0]); file++)
		for (size_t test = 0; test < FILES[file].count; test++)
			one(FILES[file].name, &FILES[file].tests[test]);
	return 0;
}
