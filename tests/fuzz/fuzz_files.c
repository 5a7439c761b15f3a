/*
 * Conditions and ranges of a request for a file. Each line of the input is a header's value; whatever it says,
 * the answer stays within the file.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "front/site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_SIZE = 1000 };

static char dir[] = "/tmp/mutual-fuzz-XXXXXX";
static char path[sizeof dir + 2];

static void remove_files(void)
{
    unlink(path);
    rmdir(dir);
}

/* A directory with one file in it, for as long as the harness runs. */
static struct mu_files *open_files(void)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_files *files = NULL;
    if (mkdtemp(dir) == NULL)
        abort();
    snprintf(path, sizeof path, "%s/f", dir);
    atexit(remove_files);
    FILE *file = fopen(path, "w");
    if (file == NULL || ftruncate(fileno(file), FILE_SIZE) != 0 || fclose(file) != 0 ||
        mu_files_open(dir, &files, &err) != 0)
        abort();
    return files;
}

/* Cut `text` at its line ends into the values of these headers. */
static size_t cut_headers(char *text, struct mu_header *headers, size_t cap)
{
    static const char *const names[] = {"Range",
                                        "If-Range",
                                        "If-Match",
                                        "If-None-Match",
                                        "If-Modified-Since",
                                        "If-Unmodified-Since"};
    size_t count = 0;
    for (char *line = strtok(text, "\n"); line != NULL && count < cap; line = strtok(NULL, "\n")) {
        headers[count] = (struct mu_header){names[count % MU_COUNT(names)], line};
        count++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mu_files *files;
    struct mu_header headers[6];
    struct mu_response response = MU_RESPONSE_INIT;
    char *text = calloc(1, size + 1);
    if (text == NULL)
        return 0;
    if (files == NULL)
        files = open_files();
    if (size > 0)
        memcpy(text, data, size);
    struct mu_request request = {.method = "GET", .target = "/f", .headers = headers};
    request.header_count = cut_headers(text, headers, MU_COUNT(headers));

    mu_files_respond(files, &request, &response);
    if (response.status != 200 && response.status != 206 && response.status != 304 &&
        response.status != 412 && response.status != 416)
        abort();
    if (response.fd >= 0 &&
        (response.offset < 0 || response.length > FILE_SIZE ||
         (uint64_t)response.offset + response.length > FILE_SIZE ||
         (response.status == 200 && response.length != FILE_SIZE) || response.length == 0))
        abort();
    mu_response_clear(&response);
    free(text);
    return 0;
}
