/* What a NAME.py is called, and how it is imported: any name can be, but some would be
 * taken for a module that PyTorch itself asks for. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model/export.h"
#include "model/export_pytorch.h"

/* clang-format off */
/* What PyTorch 2.15 (Python 3.11), safetensors and torch.onnx ask for by name, some of it
 * whether it is installed or not (cuda, triton): they would get the file in the folder of
 * the program that runs. Sorted. */
static const char *const imported[] = {
    "PIL", "__future__", "_abc", "_ast", "_asyncio", "_bisect", "_blake2", "_bz2",
    "_codecs", "_collections", "_collections_abc", "_compat_pickle", "_compression",
    "_contextvars", "_csv", "_ctypes", "_datetime", "_decimal", "_elementtree",
    "_functools", "_hashlib", "_heapq", "_imp", "_io", "_json", "_locale", "_lsprof",
    "_lzma", "_markupbase", "_multiprocessing", "_opcode", "_operator", "_pickle",
    "_posixshmem", "_posixsubprocess", "_queue", "_random", "_sha512", "_signal",
    "_socket", "_sre", "_ssl", "_stat", "_statistics", "_string", "_struct", "_thread",
    "_typing", "_uuid", "_warnings", "_weakref", "_weakrefset", "abc", "argparse",
    "array", "ast", "asyncio", "atexit", "base64", "binascii", "bisect", "builtins",
    "bz2", "cProfile", "calendar", "cmath", "codecs", "collections", "colorsys",
    "concurrent", "contextlib", "contextvars", "copy", "copyreg", "csv", "ctypes",
    "cuda", "dataclasses", "datetime", "decimal", "difflib", "dill", "dis", "email",
    "encodings", "enum", "errno", "fcntl", "filelock", "fnmatch", "fractions", "fsspec",
    "functools", "functorch", "gc", "genericpath", "getpass", "gettext", "glob",
    "gmpy2", "graphlib", "grp", "gzip", "hashlib", "heapq", "hmac", "html", "http",
    "importlib", "inspect", "io", "ipaddress", "itertools", "jinja2", "json", "keyword",
    "linecache", "locale", "logging", "lzma", "markupsafe", "marshal", "math",
    "ml_dtypes", "mmap", "modulefinder", "mpmath", "multiprocessing", "networkx",
    "ntpath", "numbers", "numpy", "onnx", "onnx_ir", "onnxruntime", "onnxscript",
    "opcode", "operator", "org", "os", "packaging", "pathlib", "pickle", "pickletools",
    "pkgutil", "platform", "posix", "posixpath", "pprint", "profile", "pstats",
    "psutil", "pwd", "pydot", "pyexpat", "pynvml", "queue", "quopri", "random", "re",
    "reprlib", "requests", "runpy", "safetensors", "secrets", "select", "selectors",
    "setuptools", "shlex", "shutil", "signal", "site", "socket", "ssl", "stat",
    "statistics", "string", "struct", "subprocess", "sympy", "sys", "sysconfig",
    "tarfile", "tempfile", "termios", "textwrap", "threading", "time", "timeit",
    "token", "tokenize", "torch", "torchcomms", "torchgen", "torchvision", "tqdm",
    "traceback", "triton", "types", "typing", "typing_extensions", "unicodedata",
    "unittest", "urllib", "uuid", "warnings", "weakref", "xml", "zipfile", "zipimport",
    "zlib"
};
/* Python's own words, sorted */
static const char *const keywords[] = {
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class",
    "continue", "def", "del", "elif", "else", "except", "finally", "for", "from",
    "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass",
    "raise", "return", "try", "while", "with", "yield"
};
/* clang-format on */

static int compare_word(const void *key, const void *entry)
{
    return strcmp(key, *(const char *const *)entry);
}

static bool is_among(const char *name, const char *const *words, size_t n)
{
    return bsearch(name, words, n, sizeof(*words), compare_word) != NULL;
}

/* as `import NAME` wants it; other letters than ASCII's may be fine, but need not be */
static bool is_importable(const char *name)
{
    if (isdigit((unsigned char)*name) ||
        is_among(name, keywords, sizeof(keywords) / sizeof(keywords[0])))
        return false;
    for (; *name; name++)
        if ((unsigned char)*name >= 0x80 ||
            (!isalnum((unsigned char)*name) && *name != '_'))
            return false;
    return true;
}

pn_status pn_pytorch_check_name(const char *path, pn_err *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char stem[32];
    const size_t n = strlen(name) - 3; /* .py */
    if (n >= sizeof(stem)) return PN_OK;
    memcpy(stem, name, n);
    stem[n] = '\0';
    if (!is_among(stem, imported, sizeof(imported) / sizeof(imported[0]))) return PN_OK;
    return pn_fail(
        err, PN_EINVAL,
        "write %s: PyTorch imports a module \"%s\" itself, and would find this "
        "one: choose another name",
        path, stem);
}

const char *pt_put_import(pt_export *e, FILE *to)
{
    if (is_importable(e->stem)) return e->stem;
    const char *file = strcmp(e->stem, e->module_name) != 0
                           ? "path" /* what a comment cannot hold */
                           : pt_format(e, "\"%s.py\"", e->stem);
    fprintf(to,
            "    import importlib.util          # its name is none for `import`\n"
            "    spec = importlib.util.spec_from_file_location(\"net\", %s)\n"
            "    net = importlib.util.module_from_spec(spec)\n"
            "    spec.loader.exec_module(net)\n",
            file);
    return "net";
}
