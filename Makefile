# Lacuna: one Makefile, GNU make 4, no configure.  `make help` lists the targets.
VERSION := 0.1.0
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
LIBDIR  ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR := $(PREFIX)/share# the command looks beside its own bin
MANDIR  ?= $(DATADIR)/man
CFLAGS  ?= -O2 -g
CXXFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config

# ---- what must be on the machine (Debian 12 names) ----
DEPS := gcc g++ make pkg-config binutils libc6-dev libjansson-dev libxxhash-dev libsentencepiece-dev libtree-sitter-dev libopenblas-dev libcmocka-dev python3
MPI_DEPS := libopenmpi-dev openmpi-bin
FUZZ_DEPS := clang libclang-rt-14-dev
LIBS := -lsentencepiece -ltree-sitter -ljansson -lxxhash -ldl -lpthread -lm
# Training is an archive of its own.  `make MPI=1` lets ranks train together.
MPI_CFLAGS := $(if $(MPI),-DLAC_MPI $(shell mpicc --showme:compile))
TRAIN_LIBS := -lopenblas $(if $(MPI),$(shell mpicc --showme:link))

WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wpointer-arith -Wwrite-strings
WARN_C   := $(WARN) -Wstrict-prototypes -Wmissing-prototypes
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
INCLUDE  := -Ilib/include -Ilib
COMMON    = -D_POSIX_C_SOURCE=200809L -fPIC -fvisibility=hidden -ffp-contract=off -pthread $(if $(WERROR),-Werror) $(INCLUDE) $(DEFS) $(CPPFLAGS)
ALL_C     = -std=c11 $(COMMON) $(WARN_C) $(CFLAGS) $(SANFLAGS)
ALL_CXX   = -std=c++17 $(COMMON) $(WARN) $(CXXFLAGS) $(SANFLAGS)
# `make V=1` shows the commands.
Q := $(if $(V),,@)
SAY = $(if $(V),,@printf '  %-4s %s\n' $(1) $(patsubst $(B)/%,%,$@))
# One object tree per set of flags: switching SAN or CC needs no clean, and never mixes objects.
BUILD ?= build
B     := $(BUILD)/$(shell printf %s '$(CC) $(CXX) $(CPPFLAGS) $(CFLAGS) $(CXXFLAGS) $(LDFLAGS) $(SAN) $(WERROR) $(MPI)' | cksum | cut -d' ' -f1)

TRAIN_C := $(sort $(wildcard lib/train/*.c lib/kern/gemm*.c lib/kern/grad*.c))
TRAIN_O := $(TRAIN_C:%.c=$(B)/%.o)
LIB_C   := $(filter-out $(TRAIN_C),$(sort $(wildcard lib/*/*.c)))
LIB_CC  := $(sort $(wildcard lib/*/*.cc))
LIB_O   := $(LIB_C:%.c=$(B)/%.o) $(LIB_CC:%.cc=$(B)/%.o)
CLI_C   := $(sort $(wildcard frontends/common/*.c frontends/lacuna/*.c))
CLI_O   := $(CLI_C:%.c=$(B)/%.o)
COMMON_O := $(patsubst %.c,$(B)/%.o,$(wildcard frontends/common/*.c))
TEST_C  := $(sort $(wildcard tests/*/test_*.c))
TESTS   := $(TEST_C:tests/%.c=$(B)/tests/%)
TEST_SH := $(sort $(wildcard tests/*/test_*.sh))
TESTLIB_O := $(patsubst %.c,$(B)/%.o,$(wildcard tests/common/*.c))
FUZZ_C  := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ    := $(FUZZ_C:tests/%.c=$(B)/tests/%)
BENCH_C := $(sort $(wildcard tests/bench/bench_*.c))
BENCHES := $(BENCH_C:tests/%.c=$(B)/tests/%)
MAKE_MODEL := $(B)/tests/bench/make_model
EVAL_C  := $(sort $(wildcard tests/eval/*.c))
EVALS   := $(EVAL_C:tests/%.c=$(B)/tests/%)
EXAMPLE_C := $(sort $(wildcard doc/examples/*.c))
EXAMPLES := $(EXAMPLE_C:%.c=$(B)/%)
HDRS    := $(filter-out lib/include/%,$(sort $(wildcard lib/*/*.h)))
MAN     := $(sort $(wildcard doc/man/*.[1-9]))

all: $(B)/liblacuna.a $(B)/liblacuna.so.0 $(B)/liblacuna_train.a $(B)/lacuna
	@ln -sfn $(notdir $(B)) $(BUILD)/last

$(B)/liblacuna.a: $(LIB_O)
	$(call SAY,AR)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^
$(B)/liblacuna_train.a: $(TRAIN_O)
	$(call SAY,AR)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^
$(B)/liblacuna.so.0: $(LIB_O) lib/liblacuna.map
	$(call SAY,LD)
	$(Q)$(CXX) -shared -Wl,-soname,liblacuna.so.0 -Wl,--version-script=lib/liblacuna.map $(if $(SAN),,-Wl,-z,defs) $(SANFLAGS) $(LDFLAGS) -o $@ $(LIB_O) $(LIBS)
# Frontends and examples see the public header and nothing else of lib/.
$(B)/frontends/%.o $(B)/doc/examples/%: INCLUDE := -Ilib/include -Ifrontends
$(B)/lacuna: $(CLI_O) $(B)/liblacuna_train.a $(B)/liblacuna.a
	$(call SAY,LD)
	$(Q)$(CXX) $(SANFLAGS) $(LDFLAGS) -o $@ $^ $(TRAIN_LIBS) $(LIBS)
$(B)/doc/examples/%: doc/examples/%.c $(B)/liblacuna.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_C) -MMD -MP -c -o $@.o $<
	$(call SAY,LD)
	$(Q)$(CXX) $(SANFLAGS) $(LDFLAGS) -o $@ $@.o $(B)/liblacuna.a $(LIBS)
$(B)/tests/frontends/% $(B)/tests/fuzz/%: INCLUDE := -Ilib/include -Ilib -Ifrontends -Itests
$(B)/tests/%: INCLUDE := -Ilib/include -Ilib -Ifrontends -Itests
$(FUZZ): $(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(COMMON_O) $(B)/liblacuna.a
	$(call SAY,LD)
	$(Q)$(CXX) $(SANFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)
$(TESTS) $(BENCHES) $(MAKE_MODEL) $(EVALS): $(B)/tests/%: $(B)/tests/%.o $(TESTLIB_O) $(COMMON_O) $(B)/liblacuna_train.a $(B)/liblacuna.a
	$(call SAY,LD)
	$(Q)$(CXX) $(SANFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(TRAIN_LIBS) $(LIBS)
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(Q)$(CC) $(ALL_C) $(ISA) -MMD -MP -c -o $@ $<
$(B)/%.o: %.cc
	@mkdir -p $(@D)
	$(call SAY,CXX)
	$(Q)$(CXX) $(ALL_CXX) -MMD -MP -c -o $@ $<
# The only files compiled for more than the baseline CPU.
$(B)/lib/kern/%_avx2.o:   ISA := -mavx2 -mfma -mf16c
$(B)/lib/kern/%_avx2vnni.o: ISA := -mavx2 -mfma -mf16c -mavxvnni
$(B)/lib/kern/%_avx512.o: ISA := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c
$(B)/lib/kern/%_avx512bf16.o: ISA := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 -mfma -mf16c
$(B)/lib/kern/kern_avx512vnni.o: ISA := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma -mf16c
$(B)/lib/kern/kern_avx512bf16.o: ISA := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512bf16 -mfma -mf16c
$(B)/lib/%.o: DEFS := -DLACUNA_BUILD
$(B)/lib/train/%.o $(B)/frontends/lacuna/%.o $(B)/tests/%.o: CPPFLAGS += $(MPI_CFLAGS)
.PRECIOUS: $(B)/%.o

# ---- set-up: installs only what is missing ----
deps: packages grammars
packages:
	@sh tests/lint/deps.sh $(DEPS) $(if $(MPI),$(MPI_DEPS))
# Optional, by npm: tree-sitter grammars, one shared object each, whatever the flags.
GRAMMARS := $(BUILD)/grammars
grammars: packages
	@sh tests/lint/grammars.sh $(GRAMMARS) tests/lint/grammars.txt

# ---- checks ----
check: deps
	@$(MAKE) --no-print-directory check-run
check-run: all $(TESTS) $(EVALS) $(FUZZ) $(EXAMPLES) lint
	@LACUNA_BUILD_DIR=$(B) sh tests/lint/run.sh $(B) '$(TESTS)' '$(TEST_SH)' '$(FUZZ)'
lint: layers headers symbols
layers:
	@awk -f tests/lint/layers.awk lib/LAYERS $(LIB_C) $(LIB_CC) $(TRAIN_C) $(HDRS)
headers:
	@for h in lib/include/lacuna.h lib/include/lacuna_train.h $(HDRS); do echo "#include \"$${h#lib/}\"" | sed 's,include/,,' | $(CC) $(ALL_C) -x c -fsyntax-only - || exit 1; done
	@echo '#include "lacuna_train.h"' | $(CXX) -std=c++17 -Wall -Wextra -Wpedantic -Ilib/include -x c++ -fsyntax-only -
symbols: $(B)/liblacuna.a $(B)/liblacuna.so.0 $(B)/liblacuna_train.a
	@! nm -g --defined-only $(LIB_C:%.c=$(B)/%.o) $(TRAIN_O) | awk 'NF==3 && $$3 !~ /^(lacuna_|lac_|__odr_asan)/' | grep .
	@! nm -D --defined-only $(B)/liblacuna.so.0 | awk 'NF==3 && $$2 != "A" && $$3 !~ /^(lacuna_|_init|_fini|__)/' | grep .
	@nm -D --defined-only $(B)/liblacuna.so.0 | grep -q ' T lacuna_version$$' || { echo 'liblacuna.so.0 exports nothing'; exit 1; }
	@! nm -u $(LIB_C:%.c=$(B)/%.o) $(TRAIN_O) | grep -wE '(_?exit|abort|_*(v|f|vf)?printf(_chk)?|puts|putchar|perror|signal|sigaction|rand|srand|strtok|setlocale|getenv|system)'
# The set-up, and the main job on real input: one hole in one of this project's own files.
demo: deps
	@$(MAKE) --no-print-directory all
	@echo "Line 69 of lib/kern/quant.c has lost the rest of its loop; lacuna fills it in, seeing both sides:"
	@echo "    lacuna infill --stream --pace 80 --one-line --range 69:23-69:48 lib/kern/quant.c"
	@$(B)/lacuna infill --stream --pace 80 --one-line --range 69:23-69:48 --only lib/kern/quant.c
# Two networks with random weights and the default model, all on this machine, then the parts; figures in $(BUILD)/bench/*.json.
BENCH_DIR := $(BUILD)/bench
BENCH_LACUNA = $(B)/lacuna bench --loaded $(if $(QUICK),,--long)
$(BENCH_DIR)/%.gguf: $(MAKE_MODEL)
	@mkdir -p $(@D)
	$(Q)$< $@ $($*)
85m := 12 768 12 2048 32000 2048
30m := 12 448 7 1216 16384 2048 Q8_0 text
bench: all $(BENCHES) $(BENCH_DIR)/85m.gguf $(BENCH_DIR)/30m.gguf
	@for m in 85m 30m; do $(BENCH_LACUNA) --json $(BENCH_DIR)/$$m.json $(BENCH_DIR)/$$m.gguf && echo || exit 1; done
	@$(BENCH_LACUNA) --json $(BENCH_DIR)/default.json models/default
	@for b in $(BENCHES); do echo; $$b $(BENCH_DIR)/30m.gguf || exit 1; done
# The pictures of speed and quality in doc/, from a run of both.
plots: bench
	python3 models/default/measure.py --settings --lacuna $(B)/lacuna -m models/default >$(BENCH_DIR)/settings.tsv
	python3 tests/bench/plot.py speed doc/speed.svg $(BENCH_DIR)/85m.json
	python3 tests/bench/plot.py quality doc/quality.svg $(BENCH_DIR)/settings.tsv
FUZZ_SECONDS ?= 60
fuzz:
	@sh tests/lint/deps.sh $(DEPS) $(FUZZ_DEPS)
	@$(MAKE) --no-print-directory CC=clang CXX=clang++ SAN=address,undefined,fuzzer-no-link FUZZ_SECONDS=$(FUZZ_SECONDS) fuzz-run
FUZZERS := $(FUZZ_C:tests/fuzz/fuzz_%.c=$(B)/fuzzer/%)
$(FUZZERS): $(B)/fuzzer/%: $(B)/tests/fuzz/fuzz_%.o $(COMMON_O) $(B)/liblacuna.a
	@mkdir -p $(@D)
	$(call SAY,LD)
	$(Q)$(CXX) -fsanitize=address,undefined,fuzzer $(LDFLAGS) -o $@ $^ $(LIBS)
fuzz-run: $(FUZZERS)
	@for f in $(if $(T),$(B)/fuzzer/$(T),$(FUZZERS)); do n=$${f##*/}; mkdir -p $(B)/corpus/$$n; echo "fuzz $$n"; \
	  $$f -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -malloc_limit_mb=1024 -print_final_stats=1 -artifact_prefix=$(B)/corpus/$$n- $(B)/corpus/$$n tests/fuzz/corpus/$$n || exit 1; done
stats:
	@wc -l $(LIB_C) $(LIB_CC) $(TRAIN_C) $(HDRS) $(CLI_C) | sort -n

# The training corpus, from Debian's archive to shards; the network and an hour.
CORPUS ?= $(BUILD)/corpus
corpus: all
	@LACUNA=$(B)/lacuna sh models/recipe/build.sh $(CORPUS)

# ---- install ----
MODELS := $(sort $(wildcard models/*/*.gguf))
install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(DATADIR)/lacuna
	install -m644 lib/include/lacuna.h lib/include/lacuna_train.h $(DESTDIR)$(INCLUDEDIR)
	install -m644 $(B)/liblacuna.a $(B)/liblacuna_train.a $(DESTDIR)$(LIBDIR)
	install -m755 $(B)/liblacuna.so.0 $(DESTDIR)$(LIBDIR)/liblacuna.so.$(VERSION)
	ln -sf liblacuna.so.$(VERSION) $(DESTDIR)$(LIBDIR)/liblacuna.so.0
	ln -sf liblacuna.so.0 $(DESTDIR)$(LIBDIR)/liblacuna.so
	install -m755 $(B)/lacuna $(DESTDIR)$(BINDIR)
	$(if $(MODELS),install -m644 $(MODELS) $(DESTDIR)$(DATADIR)/lacuna)
	@for g in $(GRAMMARS)/*.so; do [ ! -e $$g ] || { d=$(DESTDIR)$(LIBDIR)/lacuna/grammars; install -d $$d && install -m644 $$g $${g%.so}.LICENSE $$d; } || exit 1; done
	for m in $(MAN); do d=$(DESTDIR)$(MANDIR)/man$${m##*.}; install -d $$d && install -m644 $$m $$d || exit 1; done
	printf 'prefix=%s\nlibdir=%s\nincludedir=%s\n\nName: lacuna\nDescription: controllable infilling of code and prose by masked diffusion\nVersion: %s\nCflags: -I$${includedir}\nLibs: -L$${libdir} -llacuna\nLibs.private: %s -lstdc++\n' '$(PREFIX)' '$(LIBDIR)' '$(INCLUDEDIR)' '$(VERSION)' '$(LIBS)' > $(DESTDIR)$(LIBDIR)/pkgconfig/lacuna.pc
	printf 'prefix=%s\nlibdir=%s\nincludedir=%s\n\nName: lacuna_train\nDescription: training of Eso-LM infilling models\nVersion: %s\nCflags: -I$${includedir}\nLibs: -L$${libdir} -llacuna_train -l:liblacuna.a %s -lstdc++\n' '$(PREFIX)' '$(LIBDIR)' '$(INCLUDEDIR)' '$(VERSION)' '$(TRAIN_LIBS) $(LIBS)' > $(DESTDIR)$(LIBDIR)/pkgconfig/lacuna_train.pc
	@[ -n '$(DESTDIR)' ] || ldconfig 2>/dev/null || true
uninstall:
	rm -f $(DESTDIR)$(INCLUDEDIR)/lacuna.h $(DESTDIR)$(INCLUDEDIR)/lacuna_train.h $(DESTDIR)$(LIBDIR)/liblacuna.* $(DESTDIR)$(LIBDIR)/liblacuna_train.a $(DESTDIR)$(LIBDIR)/pkgconfig/lacuna.pc $(DESTDIR)$(BINDIR)/lacuna
	rm -rf $(DESTDIR)$(LIBDIR)/lacuna
	rm -f $(foreach m,$(MODELS),$(DESTDIR)$(DATADIR)/lacuna/$(notdir $(m))) $(foreach m,$(MAN),$(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(m)))/$(notdir $(m)))
clean:
	rm -rf $(BUILD)
help:
	@echo 'make            build the library and the command (build/last/)'
	@echo 'make demo       install what is missing, build, and fill a hole in a real file'
	@echo 'make check      install what is missing, build, and run all tests (SAN=address,undefined SAN=thread WERROR=1)'
	@echo 'make bench      speed, as ratios measured in one run, and $(BUILD)/bench/*.json; QUICK=1 without long texts'
	@echo 'make plots      make bench and the pictures of it in doc/'
	@echo 'make fuzz       each fuzzer for FUZZ_SECONDS (60); T=gguf for one'
	@echo 'make corpus     what the default model is trained on: fetch, clean, tokenizer, shards (CORPUS=FOLDER)'
	@echo 'make deps       install what is missing, and build the syntax grammars (with npm)'
	@echo 'make lint stats install uninstall clean    (PREFIX, DESTDIR, CC, CFLAGS)'
.PHONY: help demo all deps packages grammars corpus check check-run lint layers headers symbols bench plots fuzz fuzz-run stats install uninstall clean
.DELETE_ON_ERROR:
-include $(LIB_O:.o=.d) $(TRAIN_O:.o=.d) $(CLI_O:.o=.d) $(TESTS:=.d) $(FUZZ:=.d) $(BENCHES:=.d) $(MAKE_MODEL).d $(EVALS:=.d) $(TESTLIB_O:.o=.d) $(EXAMPLES:=.d)
