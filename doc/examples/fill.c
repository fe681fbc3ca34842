#include <lacuna.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    const char text[] = "#include <stdio.h>\n\nint main(int argc, char **argv)\n{\n    for (int i = 1; i < argc; )\n"
                        "        printf(\"%s\\n\", argv[i]);\n    return 0;\n}\n";
    lacuna_hole hole = {.span = {84, 84}, .max_tokens = 8};
    lacuna_infill_options opt = {LACUNA_INFILL_INIT, .tag = "c"};
    lacuna_model *m; lacuna_session *s = NULL; lacuna_error err; lacuna_text fill; const lacuna_event *ev;
    int r = lacuna_model_open(&m, argc > 1 ? argv[1] : "models/default/default.gguf", NULL, &err);
    if (r == 0) r = lacuna_session_open(&s, m, NULL, &err);
    if (r == 0) r = lacuna_infill(s, text, sizeof text - 1, &hole, 1, &opt, &err);
    while (r >= 0 && (r = lacuna_step(s, &ev, &err)) > 0)
        printf("step %zu: '%.*s'\n", ev->step, (int)ev->reveals[0].text.len, ev->reveals[0].text.bytes);
    if (r == 0 && (r = lacuna_fill(s, 0, &fill, &err)) == 0) printf("fill: '%.*s'\n", (int)fill.len, fill.bytes);
    if (r < 0) fprintf(stderr, "%s\n", err.msg);
    lacuna_session_free(s);
    lacuna_model_free(m);
    return r < 0;
}
