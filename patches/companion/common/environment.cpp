// Reading environment variables; see environment.h.
#include "environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

namespace companion {

bool environmentHas(const char* name) {
    const char* text = getenv(name);
    return text != nullptr && *text != 0;
}

unsigned long long environmentNumber(const char* name, unsigned long long otherwise) {
    if (!environmentHas(name)) {
        return otherwise;
    }
    const char* text = getenv(name);
    char* end = nullptr;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    // strtoull takes a minus sign and blanks that a number without sign does not have.
    if (*text < '0' || *text > '9' || *end != 0 || errno != 0) {
        fprintf(stderr, "the environment variable %s is '%s'; a whole number below 2^64 is expected\n", name, text);
        exit(EXIT_FAILURE);
    }
    return number;
}

}  // namespace companion
