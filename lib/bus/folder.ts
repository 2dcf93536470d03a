/** Folders that this process writes to. */
import { Fault } from '#lib/fault/fault.ts';

/** Runs the work, and turns what the file system refuses into a Fault that names the folder. */
export async function inFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw new Fault(
      'precondition',
      'FOLDER_UNUSABLE',
      `the folder ${folder} cannot be used; check that this user may write to it and that there is space`,
      { cause },
    );
  }
}
