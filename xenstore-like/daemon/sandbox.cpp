// SPDX-License-Identifier: MIT
// Implements the dropping of privileges.
#include "daemon/sandbox.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tessera::store {

bool drop_privileges()
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct const none[_LINUX_CAPABILITY_U32S_3] = {};
    bool const sealed = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    return ::syscall(SYS_capset, &header, none) == 0 && sealed;
}

}  // namespace tessera::store
