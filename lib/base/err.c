#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int lac_err(lacuna_error *err, lacuna_code code, uint64_t where, const char *fmt, ...)
{
    if (!err) return code;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    err->code = code;
    err->where = where;
    size_t len = strlen(err->msg);
    if (n >= (int)sizeof err->msg) { /* cut: drop a partial UTF-8 sequence at the end */
        while (len && ((unsigned char)err->msg[len - 1] & 0xC0) == 0x80) len--;
        if (len && (unsigned char)err->msg[len - 1] >= 0xC0) len--;
        err->msg[len] = 0;
    }
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)err->msg[i] < 32 || err->msg[i] == 127) err->msg[i] = '?';
    return code;
}

int lac_nomem(lacuna_error *err, const char *what)
{
    return lac_err(err, LACUNA_E_NOMEM, 0, "out of memory (%s)", what);
}

void lac_err_clear(lacuna_error *err)
{
    if (err) *err = (lacuna_error){0};
}

const char *lacuna_code_name(int code)
{
    static const char *const names[] = {"OK", "NOMEM", "ARG", "IO", "FORMAT", "VERSION", "LIMIT", "CONSTRAINT",
                                        "CANCELLED", "INTERNAL"};
    return code <= 0 && code >= LACUNA_E_INTERNAL ? names[-code] : "?";
}

#define STR_(x) #x
#define STR(x) STR_(x)
const char *lacuna_version(void)
{
    return STR(LACUNA_VERSION_MAJOR) "." STR(LACUNA_VERSION_MINOR) "." STR(LACUNA_VERSION_PATCH);
}
