/* Starts a program under wine as Windows would.
 *
 *   start.exe [NAME=VALUE …] [--break=FILE] -- PROGRAM [ARGUMENT …]
 *
 * Wine replaces some variables by its own, so these are set here. Once FILE exists, the program gets Ctrl-Break. Wine 8
 * has no GenerateConsoleCtrlEvent for it ("not implemented"); what happens in the program is the same: Windows starts
 * a thread at CtrlRoutine there. Its exit code is the program's.
 */
#include <windows.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* A program that is told to end has these milliseconds. */
#define PATIENCE 20000

static void press_break(HANDLE process) {
    void *routine = (void *)GetProcAddress(GetModuleHandleW(L"kernel32"), "CtrlRoutine");
    void *event = (void *)(ULONG_PTR)CTRL_BREAK_EVENT;
    if (!routine || !CreateRemoteThread(process, NULL, 0, (LPTHREAD_START_ROUTINE)routine, event, 0, NULL))
        fprintf(stderr, "start: Ctrl-Break cannot be pressed: error %lu\n", GetLastError());
}

int wmain(int count, wchar_t **words) {
    wchar_t *command = wcsstr(GetCommandLineW(), L" -- "), *file = NULL;
    if (!command) return 250;
    for (int index = 1; index < count && wcscmp(words[index], L"--"); index++) {
        wchar_t *value = wcschr(words[index], L'=');
        if (!value) return 250;
        *value++ = 0;
        if (wcscmp(words[index], L"--break")) SetEnvironmentVariableW(words[index], value);
        else file = value;
    }
    STARTUPINFOW how = {.cb = sizeof how};
    PROCESS_INFORMATION program;
    if (!CreateProcessW(NULL, command + 4, NULL, NULL, TRUE, 0, NULL, NULL, &how, &program)) {
        fprintf(stderr, "start: the program does not start: error %lu\n", GetLastError());
        return 251;
    }
    if (file) {
        while (GetFileAttributesW(file) == INVALID_FILE_ATTRIBUTES) {
            if (WaitForSingleObject(program.hProcess, 20) != WAIT_TIMEOUT) break;
        }
        press_break(program.hProcess);
    }
    DWORD code = 252;
    if (WaitForSingleObject(program.hProcess, file ? PATIENCE : INFINITE) == WAIT_OBJECT_0)
        GetExitCodeProcess(program.hProcess, &code);
    else
        TerminateProcess(program.hProcess, code);
    return (int)code;
}
