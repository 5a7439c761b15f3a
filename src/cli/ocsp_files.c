#include "cli/ocsp_files.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

int mu_ocsp_output_path(const struct mu_args *args, const char *in, const char *old_ending,
                        const char *ending, char ret[MU_PATH_LEN], struct mu_error *err)
{
    const char *out = mu_args_value(args, "out");
    size_t len = strlen(in);
    int made;
    if (out != NULL || mu_str_equal(in, "-"))
        made = snprintf(ret, MU_PATH_LEN, "%s", out != NULL ? out : "-");
    else
        made = snprintf(ret, MU_PATH_LEN, "%.*s%s",
                        (int)(mu_str_ends_with(in, old_ending) ? len - strlen(old_ending) : len),
                        in, ending);
    return made < MU_PATH_LEN ? 0 : mu_usage(err, args, "the name of the output file is too long");
}

int mu_ocsp_output_check(const struct mu_args *args, const char *path, struct mu_error *err)
{
    struct mu_stage stage = {.replace = mu_args_given(args, "force")};
    if (!mu_str_equal(path, "-"))
        return mu_stage_check(&stage, path, err);
    if (!isatty(STDOUT_FILENO))
        return 0;
    mu_fail(err, MU_E_USAGE, "what is written here is binary, which a terminal cannot show");
    return mu_hint(err, "say --out FILE, or send standard output to a file or a program");
}

int mu_ocsp_write(const struct mu_args *args, const char *path, const struct mu_buf *der,
                  struct mu_error *err)
{
    if (!mu_str_equal(path, "-"))
        return mu_file_write(path, der->data, der->len, 0644, mu_args_given(args, "force"), err);
    fwrite(der->data, 1, der->len, stdout); /* main looks whether it could be written */
    return 0;
}
