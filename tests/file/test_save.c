/* Saving: the new file appears whole or the old one stays, and no temporary is left. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "file/map.h"
#include "file/save.h"

#include "common/hook.h"
#include "file/scratch.h"

static uint8_t big[400000];

static void expect(const char *path, const void *want, size_t len)
{
    size_t n;
    uint8_t *p = scratch_get(path, &n);
    assert_int_equal(n, len);
    assert_memory_equal(p, want, len);
    free(p);
    assert_int_equal(scratch_count(".tmp"), 0);
}

static void writes_and_replaces(void **state)
{
    (void)state;
    lacuna_allocator mem = system_allocator();
    const char *path = scratch_path("file");
    lac_save s;
    struct stat st;
    for (size_t i = 0; i < sizeof big; i++) big[i] = (uint8_t)(i * 7 + i / 251);
    WORKS(lac_save_open(&s, path, &mem, e));
    WORKS(lac_save_write(&s, big, 3, e));
    WORKS(lac_save_write(&s, big + 3, sizeof big - 3, e));
    assert_int_equal(scratch_count("file"), 0); /* not visible before the commit */
    WORKS(lac_save_commit(&s, e));
    expect(path, big, sizeof big);

    assert_int_equal(chmod(path, 0640), 0);
    WORKS(lac_save_open(&s, path, &mem, e));
    WORKS(lac_save_write(&s, "new text", 8, e));
    WORKS(lac_save_patch(&s, 4, "file", 4, e));
    WORKS(lac_save_write(&s, "!", 1, e));
    WORKS(lac_save_commit(&s, e));
    expect(path, "new file!", 9);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640); /* permissions of the old file */
    lac_save_drop(&s);                         /* a closed save */
}

static void dropped(void **state)
{
    (void)state;
    lacuna_allocator mem = system_allocator();
    const char *path = scratch_path("kept");
    lac_save s;
    scratch_put(path, "old", 3);
    WORKS(lac_save_open(&s, path, &mem, e));
    WORKS(lac_save_write(&s, big, sizeof big, e));
    assert_int_equal(scratch_count(".tmp"), 1);
    lac_save_drop(&s);
    expect(path, "old", 3);
    FAILS(lac_save_write(&s, "x", 1, e), LACUNA_E_INTERNAL, "closed", "");
    FAILS(lac_save_commit(&s, e), LACUNA_E_INTERNAL, "closed", "");
}

static void places_that_cannot_be_written(void **state)
{
    (void)state;
    lacuna_allocator mem = system_allocator();
    lac_save s;
    FAILS(lac_save_open(&s, scratch_path("no/such/file"), &mem, e), LACUNA_E_IO, "no/such/file", "No such file or directory");
    FAILS(lac_save_open(&s, scratch_dir, &mem, e), LACUNA_E_IO, scratch_dir, "no regular file");
    FAILS(lac_save_open(&s, "/dev/null", &mem, e), LACUNA_E_IO, "/dev/null", "no regular file");
    FAILS(lac_save_open(&s, "", &mem, e), LACUNA_E_ARG, "''", "names no file");
    FAILS(lac_save_open(&s, "folder/", &mem, e), LACUNA_E_ARG, "folder/", "names no file");
    scratch_put(scratch_path("plain"), "x", 1);
    FAILS(lac_save_open(&s, scratch_path("plain/file"), &mem, e), LACUNA_E_IO, "plain/file", "Not a directory");
    lac_save_drop(&s);
    if (geteuid() != 0) { /* root may write anywhere */
        assert_int_equal(mkdir(scratch_path("sealed"), 0500), 0);
        FAILS(lac_save_open(&s, scratch_path("sealed/file"), &mem, e), LACUNA_E_IO, "sealed/file", "Permission denied");
    }
    char name[300], long_path[700];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    snprintf(long_path, sizeof long_path, "%s/%s", scratch_dir, name);
    WORKS(lac_save_open(&s, long_path, &mem, e)); /* the name is found too long at the rename */
    FAILS(lac_save_commit(&s, e), LACUNA_E_IO, "nnnn", "too long");
    assert_int_equal(scratch_count(".tmp"), 0);
    assert_int_equal(scratch_count("nnnn"), 0);
}

/* The target becomes a directory while the file is written: the rename fails. */
static void rename_fails(void **state)
{
    (void)state;
    lacuna_allocator mem = system_allocator();
    const char *path = scratch_path("late");
    lac_save s;
    WORKS(lac_save_open(&s, path, &mem, e));
    WORKS(lac_save_write(&s, "x", 1, e));
    assert_int_equal(mkdir(path, 0700), 0);
    FAILS(lac_save_commit(&s, e), LACUNA_E_IO, "late", "replace");
    assert_int_equal(scratch_count(".tmp"), 0);
    rmdir(path);
}

/* A file size limit stands in for a full disk: write() fails in the middle. */
static void disk_full(void **state)
{
    (void)state;
    lacuna_allocator mem = system_allocator();
    const char *path = scratch_path("full");
    struct rlimit was, low;
    lac_save s;
    scratch_put(path, "old", 3);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    static const rlim_t room[] = {0, 1000, 131072, 200000};
    for (size_t i = 0; i < sizeof room / sizeof *room; i++) {
        lacuna_error err = {0};
        low = (struct rlimit){room[i], was.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
        int r = lac_save_open(&s, path, &mem, &err);
        if (!r) r = lac_save_write(&s, big, 150000, &err);
        if (!r) r = lac_save_write(&s, big, 150000, &err);
        if (!r) r = lac_save_commit(&s, &err);
        setrlimit(RLIMIT_FSIZE, &was);
        CHECK(r == LACUNA_E_IO && strstr(err.msg, "full") && strstr(err.msg, "File too large"), "%d: %s", r, err.msg);
        expect(path, "old", 3);
    }
    /* A small file is only written at the commit. */
    WORKS(lac_save_open(&s, path, &mem, e));
    WORKS(lac_save_write(&s, big, 5000, e));
    low = (struct rlimit){1000, was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    lacuna_error err = {0};
    int r = lac_save_commit(&s, &err);
    setrlimit(RLIMIT_FSIZE, &was);
    assert_int_equal(r, LACUNA_E_IO);
    expect(path, "old", 3);
    signal(SIGXFSZ, handler);
}

static void stale_temporaries_and_relative_paths(void **state)
{
    (void)state;
    lacuna_allocator mem = system_allocator();
    char stale[64], cwd[400];
    lac_save a, b;
    snprintf(stale, sizeof stale, ".lacuna-%ld-0.tmp", (long)getpid());
    scratch_put(scratch_path(stale), "from a killed process", 21);
    WORKS(lac_save_open(&a, scratch_path("one"), &mem, e)); /* two at a time, in one folder */
    WORKS(lac_save_open(&b, scratch_path("two"), &mem, e));
    WORKS(lac_save_write(&a, "1", 1, e));
    WORKS(lac_save_write(&b, "2", 1, e));
    WORKS(lac_save_commit(&b, e));
    WORKS(lac_save_commit(&a, e));
    assert_int_equal(scratch_count(".tmp"), 1);
    unlink(scratch_path(stale));
    expect(scratch_path("one"), "1", 1);
    expect(scratch_path("two"), "2", 1);

    assert_non_null(getcwd(cwd, sizeof cwd));
    assert_int_equal(chdir(scratch_dir), 0);
    lacuna_error err = {0};
    int r = lac_save_open(&a, "here", &mem, &err);
    assert_int_equal(chdir(cwd), 0);
    assert_int_equal(r, 0);
    WORKS(lac_save_write(&a, "3", 1, e)); /* the folder is held open: a chdir does not matter */
    WORKS(lac_save_commit(&a, e));
    expect(scratch_path("here"), "3", 1);
}

static void memory_runs_out(void **state)
{
    (void)state;
    for (size_t at = 1; at <= 3; at++) {
        hook h = {.fail_at = at};
        lacuna_allocator mem = hook_allocator(&h);
        lac_save s;
        lacuna_error err = {0};
        int r = lac_save_open(&s, scratch_path("x"), &mem, &err);
        if (!r) r = lac_save_commit(&s, &err);
        assert_int_equal(r, at <= 2 ? LACUNA_E_NOMEM : 0);
        assert_int_equal(h.blocks, 0);
        assert_int_equal(h.wrong, 0);
    }
}

static void maps(void **state)
{
    (void)state;
    lac_map m;
    scratch_put(scratch_path("mapped"), "bytes", 5);
    WORKS(lac_map_open(&m, scratch_path("mapped"), e));
    assert_int_equal(m.size, 5);
    assert_memory_equal(m.data, "bytes", 5);
    lac_map_close(&m);
    lac_map_close(&m);
    char deep[1200];
    memset(deep, 'd', sizeof deep);
    for (size_t i = 0; i < sizeof deep; i += 100) deep[i] = '/';
    memcpy(deep + sizeof deep - 8, "the-end", 8);
    FAILS(lac_map_open(&m, deep, e), LACUNA_E_IO, "...", "the-end: No such file"); /* the end of a long path is what tells */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_replaces),
        cmocka_unit_test(dropped),
        cmocka_unit_test(places_that_cannot_be_written),
        cmocka_unit_test(rename_fails),
        cmocka_unit_test(disk_full),
        cmocka_unit_test(stale_temporaries_and_relative_paths),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(maps),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
