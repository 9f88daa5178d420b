// Whole numbers from environment variables; a malformed one ends the program with its name and value.
#ifndef COMPANION_ENVIRONMENT_H
#define COMPANION_ENVIRONMENT_H

namespace companion {

// The variable as a number of at most 64 bits without sign, or `otherwise` where it is not set or empty.
unsigned long long environmentNumber(const char* name, unsigned long long otherwise);
bool environmentHas(const char* name);

}  // namespace companion

#endif
