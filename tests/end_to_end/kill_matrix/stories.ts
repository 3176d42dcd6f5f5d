import { eventually } from "../../support/eventually.ts";
import { type FaultWorld, PATIENCE_MS, type Work } from "./fault_world.ts";

/** What a user did with a job, and what was promised and shown. */
export interface Account {
  readonly user: string;
  readonly id: number;
  /** Exit status that the command gives itself, unless it is ended. */
  readonly code: number;
  /** States that were shown, without repetitions. */
  readonly seen: string[];
  /** Set when the daemon has promised it. */
  promised: "cancelled" | "deleted" | undefined;
}

/** What a user does with one job. */
export interface Story {
  readonly user: string;
  readonly work: Work;
  /** Exit status. */
  readonly code: number;
  readonly wish: "wait" | "cancel" | "delete";
  /** When that is done; a wait is for the end in any case. `hung`: when the daemon does not get on with submissions. */
  readonly when: "at once" | "hung" | "started" | "running" | "ended";
}

/** One of each kind, of two users, so that both have jobs that wait for a slot. */
export const STORIES: readonly Story[] = [
  { user: "alice", work: "endless", code: 0, wish: "cancel", when: "started" },
  { user: "alice", work: "short", code: 0, wish: "wait", when: "ended" },
  { user: "alice", work: "short", code: 3, wish: "wait", when: "ended" },
  { user: "bob", work: "short", code: 0, wish: "wait", when: "ended" },
  { user: "bob", work: "endless", code: 0, wish: "delete", when: "started" },
  { user: "bob", work: "short", code: 0, wish: "delete", when: "ended" },
  { user: "alice", work: "endless", code: 0, wish: "cancel", when: "at once" },
  { user: "bob", work: "short", code: 7, wish: "delete", when: "at once" },
];

/**
 * One that ends as soon as it is let, unless its end was promised before. Cancelled when the daemon knows that it runs:
 * before that the wish would be saved in another way.
 */
export const CANCEL_STORY: Story = { user: "alice", work: "gated", code: 0, wish: "cancel", when: "running" };

/** Of both users more than there are slots, and none that ends before it is let. */
export const GATED_STORIES: readonly Story[] = ["alice", "alice", "bob", "alice", "bob"].map((user) => ({
  ...{ user, work: "gated", code: 0, wish: "wait", when: "ended" },
}));

const LOOK_AGAIN_MS = 50;

/**
 * Lives a story to its end, over any number of deaths of the daemon.
 *
 * @param key makes one job of all submissions with it
 * @param accounts where the account is kept from the moment the job is known
 * @param isHung true once the daemon does not get on
 * @throws when the job does not get on
 */
export async function live(
  world: FaultWorld,
  story: Story,
  key: string,
  accounts: Account[],
  isHung: () => boolean = () => true,
): Promise<void> {
  const { user, work, code } = story;
  const id = await world.submit(user, key, work, code);
  const account: Account = { user, id, code, seen: [], promised: undefined };
  accounts.push(account);
  if (story.when === "hung") await hangs(world, account, isHung);
  if (story.when === "started") await hasStarted(world, account);
  if (story.when === "running") await follow(world, account, (state) => state === "running");
  if (story.when === "ended") await hasEnded(world, account);
  if (story.wish === "cancel") await cancel(world, account);
  if (story.wish === "delete") return await remove(world, account);
  await hasEnded(world, account);
}

async function cancel(world: FaultWorld, account: Account): Promise<void> {
  const { status, body } = await world.ask(account.user, "POST", `/api/job/${account.id}/cancel`);
  // A first request may have done it, of which the answer was lost.
  if (status === 202 || status === 409) account.promised = "cancelled";
  else throw new Error(`Cancelling job ${account.id}: ${status} ${JSON.stringify(body)}`);
}

async function remove(world: FaultWorld, account: Account): Promise<void> {
  for (let isRepeated = false; ; await Bun.sleep(LOOK_AGAIN_MS)) {
    const answer = await world.ask(account.user, "DELETE", `/api/job/${account.id}`);
    isRepeated ||= answer.isRepeated;
    // Its files are being copied.
    if (answer.status === 409) continue;
    if (answer.status !== 204 && !(answer.status === 404 && isRepeated)) {
      throw new Error(`Deleting job ${account.id}: ${answer.status} ${JSON.stringify(answer.body)}`);
    }
    account.promised = "deleted";
    return;
  }
}

/** Before that, a wish would call the submission off, and nothing would hang. */
async function hangs(world: FaultWorld, { id, user }: Account, isHung: () => boolean): Promise<void> {
  await eventually(`the submission of job ${id} to hang`, async () => {
    if (!isHung()) return false;
    const { body } = await world.ask(user, "GET", `/api/job/${id}/history`);
    return (body as readonly { readonly phase: string }[]).some(({ phase }) => phase === "submitting");
  });
}

/** The command itself tells, so that this is true also when the daemon does not know it. */
async function hasStarted(world: FaultWorld, { id, user, seen }: Account): Promise<void> {
  await follow(world, { id, user, seen }, () => world.ledger().some((line) => line.job === id));
}

async function hasEnded(world: FaultWorld, { id, user, seen }: Account): Promise<void> {
  await follow(world, { id, user, seen }, (state) => state === "ok" || state === "error");
}

async function follow(
  world: FaultWorld,
  { id, user, seen }: Pick<Account, "id" | "user" | "seen">,
  isThere: (state: string) => boolean,
): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await Bun.sleep(LOOK_AGAIN_MS)) {
    const { status, body } = await world.ask(user, "GET", `/api/job/${id}`);
    if (status !== 200) throw new Error(`Job ${id} of ${user}: ${status} ${JSON.stringify(body)}`);
    const { state } = body as { readonly state: string };
    if (seen.at(-1) !== state) seen.push(state);
    if (isThere(state)) return;
  }
  throw new Error(`Job ${id} of ${user} does not get on; its states were ${seen.join(", ")}`);
}
