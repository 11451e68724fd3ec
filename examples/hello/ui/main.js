/* global document, FormData */

const status = document.querySelector('#status');
const form = document.querySelector('#form');
const greeting = document.querySelector('#greeting');

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const name = new FormData(form).get('name').trim();
  greeting.textContent = name === '' ? '' : `Hello, ${name}!`;
});

status.textContent = 'Its script is running.';
status.dataset.ready = 'true';
