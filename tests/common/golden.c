#include "common/golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/unit.h"

void golden_open(golden *g)
{
    json_error_t why;
    g->root = json_load_file(GOLDEN_DIR "/index.json", 0, &why);
    CHECK(g->root, GOLDEN_DIR "/index.json: %s", why.text);
    g->cases = json_object_get(g->root, "cases");
    CHECK(json_array_size(g->cases) > 0, "no cases");
}

void golden_close(golden *g)
{
    json_decref(g->root);
    *g = (golden){0};
}

size_t golden_count(const golden *g) { return json_array_size(g->cases); }
const json_t *golden_case(const golden *g, size_t i) { return json_array_get(g->cases, i); }

const char *golden_text(const json_t *c, const char *key)
{
    const char *s = json_string_value(json_object_get(c, key));
    return s ? s : "";
}

double golden_param(const json_t *c, const char *name)
{
    const json_t *v = json_object_get(json_object_get(c, "params"), name);
    CHECK(json_is_number(v) || json_is_boolean(v), "%s: parameter '%s' is no number", golden_text(c, "id"), name);
    return json_is_boolean(v) ? json_is_true(v) : json_number_value(v);
}

const char *golden_mode(const json_t *c, const char *name) { return golden_text(json_object_get(c, "params"), name); }

double golden_scalar(const json_t *c, const char *name)
{
    const json_t *v = json_object_get(json_object_get(json_object_get(c, "scalars"), name), "value");
    CHECK(json_is_number(v), "%s: scalar '%s' is no number", golden_text(c, "id"), name);
    return json_number_value(v);
}

void *golden_tensor(const json_t *c, const char *name, const char *dtype, size_t shape[3], size_t *n)
{
    const json_t *list = json_object_get(c, "tensors");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *t = json_array_get(list, i), *dims = json_object_get(t, "shape");
        if (strcmp(golden_text(t, "name"), name) != 0) continue;
        char path[512];
        size_t elem = !strcmp(dtype, "f64") ? 8 : !strcmp(dtype, "u8") ? 1 : 4, count = 1;
        CHECK(!strcmp(golden_text(t, "dtype"), dtype), "%s/%s: dtype %s", golden_text(c, "id"), name, golden_text(t, "dtype"));
        for (size_t d = 0; d < 3; d++) {
            size_t size = d < json_array_size(dims) ? (size_t)json_integer_value(json_array_get(dims, d)) : 1;
            if (shape) shape[d] = size;
            count *= size;
        }
        snprintf(path, sizeof path, GOLDEN_DIR "/%s", golden_text(t, "file"));
        FILE *f = fopen(path, "rb");
        CHECK(f, "%s: cannot open", path);
        void *data = malloc(count * elem + 1);
        CHECK(data && fread(data, elem, count, f) == count && fgetc(f) == EOF, "%s: not %zu elements", path, count);
        fclose(f);
        if (n) *n = count;
        return data;
    }
    return NULL;
}
