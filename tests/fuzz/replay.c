/* A main for fuzz targets without a fuzzer: feeds every file named on the command line, and its first half, the half
 * of that, and so on down to nothing.  So every input that ever broke a parser stays a test.  Fails when a
 * file cannot be read or none is named. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input in a block of exactly its size: a sanitizer sees a step too far. */
static int feed(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) return 0;
    if (size) memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return 1;
}

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    long size = -1;
    uint8_t *data = NULL;
    int ok = f && !fseek(f, 0, SEEK_END) && (size = ftell(f)) >= 0 && size < 1L << 30 && !fseek(f, 0, SEEK_SET);
    ok = ok && (data = malloc((size_t)size + 1)) && fread(data, 1, (size_t)size, f) == (size_t)size;
    if (f) fclose(f);
    for (size_t n = ok ? (size_t)size : 0; ok; n /= 2) {
        ok = feed(data, n);
        if (!n) break;
    }
    free(data);
    if (!ok) fprintf(stderr, "%s: cannot be replayed\n", path);
    return ok;
}

int main(int argc, char **argv)
{
    int n = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        if (replay(argv[i])) n++;
        else failed++;
    }
    printf("%d inputs\n", n);
    return failed || !n;
}
