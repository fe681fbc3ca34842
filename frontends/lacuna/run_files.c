/* Where a run is written: its state and its model, and what stands in their place already. */
#include "lacuna/run_files.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/say.h"

static int ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n > k && !strcmp(s + n - k, end);
}

void run_files_name(run_files *f, const char *out, const char *resume)
{
    buf state = {0}, model = {0};
    const char *from = out ? out : resume ? resume : "lacuna-mine.gguf";
    if (ends_in(from, ".gguf") || (!out && ends_in(from, ".safetensors"))) {
        int n = (int)(strrchr(from, '.') - from);
        buf_fmt(&state, "%.*s.safetensors", n, from);
        if (!out && ends_in(from, "/state.safetensors")) buf_fmt(&model, "%.*s/model.gguf", n - 6, from);
        else buf_fmt(&model, "%.*s.gguf", n, from);
    } else if (!out) {
        buf_put(&state, from);
        buf_fmt(&model, "%s.gguf", from);
    } else {
        f->folder = xcopy(out);
        buf_fmt(&state, "%s/state.safetensors", out);
        buf_fmt(&model, "%s/model.gguf", out);
    }
    f->state = state.p;
    f->model = model.p;
}

int run_files_make(const run_files *f)
{
    if (!f->folder || !mkdir(f->folder, 0777) || errno == EEXIST) return 0;
    return say("%s: %s", f->folder, strerror(errno)), -1;
}

/* The header of a safetensors file, or NULL. */
static json_t *header_of(const char *path)
{
    enum { LARGEST = 100000000 }; /* bytes of a header, as the format has it */
    unsigned char size[8];
    json_t *header = NULL;
    uint64_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    if (read(fd, size, 8) == 8)
        for (int i = 8; i--;) n = n << 8 | size[i];
    if (n && n <= LARGEST) {
        char *text = xalloc(n, 1);
        if (read(fd, text, n) == (ssize_t)n) header = json_loadb(text, n, 0, NULL);
        free(text);
    }
    close(fd);
    return header;
}

/* Steps of the run in a state file; -1: it is none. */
static json_int_t steps_of(const char *path)
{
    json_t *header = header_of(path);
    const char *note = json_string_value(json_object_get(json_object_get(header, "__metadata__"), "lacuna"));
    json_t *run = note ? json_loads(note, 0, NULL) : NULL;
    const json_t *step = json_object_get(run, "step");
    json_int_t n = json_is_integer(step) ? json_integer_value(step) : -1;
    json_decref(run);
    json_decref(header);
    return n;
}

char *run_files_lost(const run_files *f, const char *resume)
{
    struct stat old, own;
    buf b = {0};
    if (stat(f->state, &old) || !S_ISREG(old.st_mode)) return NULL;
    if (resume && !stat(resume, &own) && own.st_dev == old.st_dev && own.st_ino == old.st_ino) return NULL;
    json_int_t n = steps_of(f->state);
    if (n < 0) buf_fmt(&b, "%s is there already and holds no run: give another --out, or --force", f->state);
    if (n > 0)
        buf_fmt(&b, "%s holds a run of %lld steps: --resume it, or give another --out, or --force", f->state,
                (long long)n);
    return b.p;
}

void run_files_free(run_files *f)
{
    free(f->state);
    free(f->model);
    free(f->folder);
}
