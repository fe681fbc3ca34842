/* What every test program includes: cmocka with the headers it wants, and a check that says more. */
#ifndef TESTS_COMMON_UNIT_H
#define TESTS_COMMON_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Fail the running test with a formatted message unless cond holds. */
#define CHECK(cond, ...)                      \
    do {                                      \
        if (!(cond)) fail_msg(__VA_ARGS__);   \
    } while (0)

/* Every kernel table by name, the reference first; lac_kern_pick gives NULL for those this CPU cannot run. */
#define KERN_TABLES "ref", "avx2", "avx2vnni", "avx512", "avx512vnni", "avx512bf16", "neon"
enum { KERNS = 7 };

#endif
