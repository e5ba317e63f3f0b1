package engine

import "syscall"

// systemFaults are further errors of Linux's block layer (blk_errors in
// block/blk-core.c: a medium error, a target, a link, a checksum), of ext4 and
// XFS on what is damaged (EFSCORRUPTED is EUCLEAN, EFSBADCRC is EBADMSG).
var systemFaults = []error{syscall.ENODATA, syscall.EREMOTEIO, syscall.ENOLINK, syscall.EILSEQ, syscall.EUCLEAN, syscall.EBADMSG}
