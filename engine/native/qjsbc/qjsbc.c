/*
 * Compiles one ES module to the bytecode file that the engine loads: `qjsbc <in.js> <module-name> <out.qbc>`.
 * The source is left out, debug positions stay. Nothing is evaluated; an import is refused, since on the board
 * there is nothing to import from.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qbc.h"
#include "quickjs.h"

/* The whole file with a NUL after it; NULL if it cannot be read. */
static char *read_file(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    char *text = NULL;

    if (!file) return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (*size = (size_t)ftell(file)) != (size_t)-1 && fseek(file, 0, SEEK_SET) == 0) {
        text = calloc(1, *size + 1);
        if (text && fread(text, 1, *size, file) != *size) {
            free(text);
            text = NULL;
        }
    }
    fclose(file);
    return text;
}

static bool write_file(const char *name, const uint8_t *code, size_t size)
{
    struct qbc_header header = {QBC_MAGIC, CONFIG_VERSION};
    FILE *file = fopen(name, "wb");
    bool whole;

    if (!file) return false;
    whole = fwrite(&header, sizeof(header), 1, file) == 1 && fwrite(code, 1, size, file) == size;
    return (fclose(file) == 0) && whole;
}

/* The pending exception as `FILE:LINE: SyntaxError: …`, the line being the stack's first, if it has one. */
static void report(JSContext *context, const char *input)
{
    JSValue error = JS_GetException(context), stack = JS_GetPropertyStr(context, error, "stack");
    const char *message = JS_ToCString(context, error), *trace = JS_ToCString(context, stack);
    const char *position = trace ? strstr(trace, "at ") : NULL;
    const char *colon = position ? strchr(position, ':') : NULL;

    fprintf(stderr, "qjsbc: %s", input);
    if (colon) fprintf(stderr, ":%d", atoi(colon + 1));
    fprintf(stderr, ": %s\n", message ? message : "cannot be compiled");
    JS_FreeCString(context, message);
    JS_FreeCString(context, trace);
    JS_FreeValue(context, stack);
    JS_FreeValue(context, error);
}

int main(int count, char **arguments)
{
    JSRuntime *runtime = JS_NewRuntime();
    JSContext *context = runtime ? JS_NewContext(runtime) : NULL;
    size_t source_size, code_size;
    char *source;
    uint8_t *code;
    JSValue module;

    if (count != 4) {
        fprintf(stderr, "usage: qjsbc <in.js> <module-name> <out.qbc>\n");
        return 2;
    }
    source = read_file(arguments[1], &source_size);
    if (!context || !source) {
        fprintf(stderr, "qjsbc: %s: cannot be read\n", arguments[1]);
        return 1;
    }
    JS_SetStripInfo(runtime, JS_STRIP_SOURCE);
    module = JS_Eval(context, source, source_size, arguments[2], JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(module)) {
        report(context, arguments[1]);
        return 1;
    }
    code = JS_WriteObject(context, &code_size, module, JS_WRITE_OBJ_BYTECODE);
    if (!code || !write_file(arguments[3], code, code_size)) {
        fprintf(stderr, "qjsbc: %s: cannot be written\n", arguments[3]);
        return 1;
    }
    return 0;
}
