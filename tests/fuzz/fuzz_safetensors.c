/* Bytes as a checkpoint: parsed, and every value of every tensor read. */
#include "file/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile double sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
    lacuna_error err;
    lac_safetensors s;
    if (lac_safetensors_parse(&s, data, size, "fuzz", &mem, &err)) return 0;
    for (size_t i = 0; i < s.n_tensors; i++) {
        const lac_st_tensor *t = &s.tensor[i];
        uint64_t n = t->bytes / (t->type == LAC_ST_F64 ? 8 : t->type == LAC_ST_F32 ? 4 : 2);
        double v[32];
        for (uint64_t at = 0; at < n && t->type != LAC_ST_OTHER; at += 32) {
            size_t k = n - at < 32 ? (size_t)(n - at) : 32;
            lac_safetensors_read(t, at, k, v);
            sink = v[k - 1];
        }
        if (lac_safetensors_find(&s, t->name.bytes) != t) __builtin_trap(); /* names are unique */
    }
    lac_safetensors_close(&s);
    return 0;
}
