// Takes the invitation from behind the # into the form, and out of the address, so that it stays in no history.

const [form, invitation] = [document.querySelector("#join"), document.querySelector("#invitation")];

function take() {
  const secret = location.hash.slice(1);
  if (secret) {
    invitation.value = secret;
    history.replaceState(null, "", location.pathname);
  }
  // What is known need not be looked at.
  const isKnown = invitation.value !== "";
  for (const element of [invitation, document.querySelector("label[for=invitation]"), document.querySelector("#where")]) element.hidden = isKnown;
  (document.querySelector("#user").value ? document.querySelector(isKnown ? "#new" : "#invitation") : document.querySelector("#user")).focus();
}

addEventListener("hashchange", take);
form.addEventListener("input", () => {
  const [chosen, again] = [document.querySelector("#new"), document.querySelector("#again")];
  again.setCustomValidity(again.value && again.value !== chosen.value ? "The two passwords are not the same." : "");
});
take();
