/** Name of the header by which a client says for whom it works. */
export const USER_HEADER = "x-bartender-user";
